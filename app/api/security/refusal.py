"""Sends the refusal of a middleware, over HTTP or before a WebSocket is accepted."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from app.api.errors import error_response
from app.schemas.envelope import ErrorBody

_POLICY_VIOLATION = 1008


async def refuse(scope: Scope, receive: Receive, send: Send, body: ErrorBody) -> None:
    """Answer with the error envelope; a WebSocket is closed where the server cannot send an answer."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": body.message[:120]})
        return
    extra = {"www-authenticate": "Bearer"} if body.code == "UNAUTHORIZED" else None
    await error_response(Headers(scope=scope), body, extra)(scope, receive, send)
