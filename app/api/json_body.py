"""Reads request bodies strictly: what a parser could fail on later is refused here with 422. Names no route."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from functools import cached_property, partial
from typing import Any

from anyio.lowlevel import checkpoint
from anyio.to_thread import run_sync
from fastapi import Request, params
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from app.api.errors import BodyError
from app.api.form_body import Schema, UnacceptableFormError, read_form
from app.api.json_text import UnacceptableJsonError, parse_json
from app.api.os_errors import describe_os_error
from app.schemas.envelope import FieldProblem

MAX_FILES = 1000
MAX_FIELDS = 1000
# Reading a smaller body takes a millisecond or two, about as long as handing it to a thread under load.
SMALL_BYTES = 64 * 2**10
_URLENCODED = "application/x-www-form-urlencoded"
_FORM_TYPES = (_URLENCODED, "multipart/form-data")


class StrictRequest(Request):
    """A request whose body is read by the rules of this module."""

    async def json(self) -> Any:
        """Return the body; raises BodyError with the reason."""
        body = await self.body()
        try:
            return await _read_aside(partial(parse_json, body), len(body))
        except UnacceptableJsonError as error:
            raise _body_error(f"Not acceptable JSON: {error}.") from None

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the body; one that was read before comes in pieces, and other requests are served between them."""
        if not hasattr(self, "_body"):
            async for piece in super().stream():
                yield piece
            return
        for start in range(0, len(self._body), SMALL_BYTES):
            yield self._body[start : start + SMALL_BYTES]
            await checkpoint()
        yield b""

    async def form(self, **limits: Any) -> FormData:  # type: ignore[override]
        """Return the form; raises BodyError with the reason."""
        try:
            return await super().form(**limits)
        except BodyError:
            raise
        except HTTPException as error:
            raise _form_error(str(error.detail)) from None
        except OSError as error:
            body = describe_os_error(error)
            if body is None:
                raise
            raise BodyError(body.code, body.message) from error


class FormAsJsonRequest(StrictRequest):
    """A request with a form for a route that expects JSON; the framework sees JSON."""

    def __init__(self, request: Request, schema: Schema) -> None:
        others = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
        headers = [*others, (b"content-type", b"application/json")]
        super().__init__({**request.scope, "headers": headers}, request.receive)
        self._sent = StrictRequest(request.scope, request.receive)
        self._schema = schema

    async def body(self) -> bytes:
        """Return the body as it was sent."""
        return await self._sent.body()

    async def json(self) -> Any:
        """Return the fields as JSON; raises BodyError with the reason."""
        body = await self._sent.body()
        if body.lstrip()[:1] in (b"{", b"["):  # `curl -d '{...}'` calls JSON a form
            return await self._sent.json()
        is_urlencoded = self._sent.headers.get("content-type", "").startswith(_URLENCODED)
        if is_urlencoded and body.count(b"&") > MAX_FIELDS:  # empty fields too, which the parser does not count
            raise _body_error(f"More than {MAX_FIELDS} fields in one form.")
        form = await self._sent.form()
        try:
            return await _read_aside(partial(read_form, form.multi_items(), self._schema), len(body))
        except UnacceptableFormError as error:
            raise _body_error(f"Not acceptable as a form: {error}.") from None
        finally:
            await form.close()


async def _read_aside(read: Callable[[], Any], num_bytes: int) -> Any:
    """Return what `read` makes of a body, which one of more than SMALL_BYTES does in a thread."""
    return read() if num_bytes <= SMALL_BYTES else await run_sync(read)


def _without_empty(scope: Scope) -> Scope:
    """Return the request without query parameters that are empty: they mean that they were left out."""
    pairs = scope["query_string"].split(b"&")
    kept = [pair for pair in pairs if pair.partition(b"=")[2]]
    return scope if len(kept) == len(pairs) else {**scope, "query_string": b"&".join(kept)}


def _body_error(message: str) -> BodyError:
    return BodyError("VALIDATION_ERROR", "Request validation failed.", [FieldProblem(field="body", message=message)])


def _form_error(detail: str) -> BodyError:
    message = detail
    if detail.startswith("Too many files"):
        message = f"More than {MAX_FILES} files in one request; send them in batches under one upload_id, or a zip."
    return _body_error(message)


class StrictRoute(APIRoute):
    """A route that reads its body strictly, a form where it expects JSON, and no query parameter that is empty."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the base class, given a StrictRequest."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            request = Request(_without_empty(request.scope), request.receive)
            if self._takes_json and request.headers.get("content-type", "").startswith(_FORM_TYPES):
                return await handle(FormAsJsonRequest(request, self._body_schema))
            return await handle(StrictRequest(request.scope, request.receive))

        return handle_strictly

    @property
    def _takes_json(self) -> bool:
        return self.body_field is not None and not isinstance(self.body_field.field_info, params.Form)

    @cached_property
    def _body_schema(self) -> Schema:
        annotation: Any = self.body_field.field_info.annotation if self.body_field is not None else None
        return TypeAdapter(annotation).json_schema()
