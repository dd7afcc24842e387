"""Turns what core returned into an answer: JSON, or the fragment where one exists. No handler branches by itself."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import HTMLResponse, Response

from app.api.templating import Fragment, render_fragment
from app.schemas.envelope import encode_ok


def present(
    request: Request, data: BaseModel, fragment: Callable[[], Fragment] | None = None, *, status_code: int = 200
) -> Response:
    """Return `data` in the success envelope, or rendered when the request asks for HTML and a fragment exists."""
    headers = {"vary": "HX-Request"} if fragment is not None else None
    if fragment is not None and request.headers.get("hx-request") == "true":
        return HTMLResponse(render_fragment(fragment()), status_code, headers)
    return Response(encode_ok(data), status_code, headers, media_type="application/json")
