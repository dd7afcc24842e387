"""Limits request bodies: size before and while they arrive, and the time that a silent or slow client is waited for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import BodyError, error_response
from app.schemas.envelope import ErrorBody

MAX_JSON_BYTES = 4 * 2**20
READ_TIMEOUT_S = 15.0
_DRAIN_S = 2.0
_DRAIN_BYTES = 64 * 2**20
_FILE_PATHS = ("/import/upload",)
_FILE_PREFIXES = ("/api/predict/",)


@dataclass(frozen=True)
class BodyTimeouts:
    """Timeouts for the chunks of a body, each and together; the time that the server itself takes does not count."""

    silence_s: float = field(default_factory=lambda: READ_TIMEOUT_S)
    total_s: float = 30.0
    # Files may take longer the more of them has arrived, so that a slow line is no reason to refuse them.
    min_file_rate: float = 16 * 2**10
    clock: Callable[[], float] = anyio.current_time


class BodyMiddleware:
    """Counts what arrives. `max_file_bytes` is for the routes that take files, all others take small JSON."""

    def __init__(self, app: ASGIApp, max_file_bytes: int, timeouts: BodyTimeouts | None = None) -> None:
        self._app = app
        self._max_file_bytes = max_file_bytes
        self._timeouts = timeouts or BodyTimeouts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on with a counting `receive`, or answer 413 before any of the body is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        takes_files = _takes_files(scope["path"])
        limit = self._max_file_bytes if takes_files else min(MAX_JSON_BYTES, self._max_file_bytes)
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isascii() or not declared.isdigit() or int(declared[:20]) > limit:
            await _refuse_body(scope, receive, send, _too_large(limit))
            return
        min_rate = self._timeouts.min_file_rate if takes_files else math.inf
        await self._app(scope, _CountingReceive(receive, limit, self._timeouts, min_rate), send)


def _takes_files(path: str) -> bool:
    return path.endswith(_FILE_PATHS) or path.startswith(_FILE_PREFIXES)


class _CountingReceive:
    """The `receive` of one request."""

    def __init__(self, receive: Receive, limit: int, timeouts: BodyTimeouts, min_rate: float) -> None:
        self._receive = receive
        self._limit = limit
        self._timeouts = timeouts
        self._min_rate = min_rate
        self._waited_s = 0.0
        self._num_bytes = 0
        self._is_complete = False

    async def __call__(self) -> Message:
        """Return the next message; raises BodyError for too many bytes, too long a silence, or too long a wait."""
        if self._is_complete:
            return await self._receive()
        allowed_s = self._timeouts.total_s + self._num_bytes / self._min_rate
        left_s = allowed_s - self._waited_s
        if left_s > 0:
            started = self._timeouts.clock()
            with anyio.move_on_after(min(self._timeouts.silence_s, left_s)):
                message = await self._receive()
                self._waited_s += self._timeouts.clock() - started
                await self._count(message)
                return message
        raise BodyError("REQUEST_TIMEOUT", self._explain(left_s, allowed_s))

    def _explain(self, left_s: float, allowed_s: float) -> str:
        if left_s > self._timeouts.silence_s:
            return f"Nothing arrived for {self._timeouts.silence_s:g} s; the request was given up."
        return (
            f"The request had not arrived after {allowed_s:.3g} s, {self._num_bytes} bytes of it had; it was given up."
        )

    async def _count(self, message: Message) -> None:
        self._is_complete = message["type"] != "http.request" or not message.get("more_body", False)
        self._num_bytes += len(message.get("body", b""))
        if self._num_bytes > self._limit:
            if not self._is_complete:
                await _drain(self._receive)
            body = _too_large(self._limit)
            raise BodyError(body.code, body.message)


def _too_large(limit: int) -> ErrorBody:
    return ErrorBody(code="PAYLOAD_TOO_LARGE", message=f"The request is larger than the limit of {limit} bytes.")


async def _refuse_body(scope: Scope, receive: Receive, send: Send, body: ErrorBody) -> None:
    """Answer at once, then let the client finish sending for a moment, or it would see a reset and no answer."""

    async def send_then_drain(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        await send({**message, "more_body": True})
        await _drain(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    response = error_response(Headers(scope=scope), body, {"connection": "close"})
    await response(scope, receive, send_then_drain)


async def _drain(receive: Receive) -> None:
    num_bytes = 0
    with anyio.move_on_after(_DRAIN_S):
        while num_bytes <= _DRAIN_BYTES:
            message = await receive()
            num_bytes += len(message.get("body", b""))
            if message["type"] != "http.request" or not message.get("more_body", False):
                return
