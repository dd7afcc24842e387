"""Turns what core returned into a response, JSON or HTML, so that no handler has to choose."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import HTMLResponse, Response

from app.api.pages.record_view import record_fragment
from app.api.templating import Fragment, render_fragment
from app.schemas.envelope import encode_ok


class EncodedOnce:
    """Caches the JSON of models that are returned many times. Such a model is never changed, so it is its own key."""

    def __init__(self) -> None:
        self._kept: tuple[BaseModel, bytes] | None = None

    def __call__(self, data: BaseModel) -> bytes:
        """Return the JSON of a success."""
        kept = self._kept
        if kept is None or kept[0] is not data:
            kept = data, encode_ok(data).encode()
            self._kept = kept
        return kept[1]


def present(
    request: Request,
    data: BaseModel,
    fragment: Callable[[], Fragment] | None = None,
    *,
    status_code: int = 200,
    encode: Callable[[BaseModel], str | bytes] = encode_ok,
) -> Response:
    """Return `data` in the success envelope, or as HTML when the request asks for it.

    HTML is the fragment of the page that shows it; without one the values are listed as they are.
    """
    headers = {"vary": "HX-Request"}
    if request.headers.get("hx-request") == "true":
        html = render_fragment(fragment() if fragment is not None else record_fragment(data))
        return HTMLResponse(html, status_code, headers)
    return Response(encode(data), status_code, headers, media_type="application/json")
