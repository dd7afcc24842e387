"""Drives a middleware by hand, one message at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass
class Sent:
    """What an application sent."""

    messages: list[Message] = field(default_factory=list)

    @property
    def status(self) -> int:
        """Status of the answer."""
        status: int = self.messages[0]["status"]
        return status

    @property
    def code(self) -> str:
        """Code of the error envelope."""
        content = b"".join(message.get("body", b"") for message in self.messages[1:])
        code: str = json.loads(content)["error"]["code"]
        return code


async def call_app(
    app: ASGIApp,
    *,
    method: str = "GET",
    path: str = "/",
    kind: str = "http",
    headers: dict[str, str] | list[tuple[str, str]] | None = None,
    body: Iterable[Message] = (),
    server: tuple[str, int | None] | None = ("127.0.0.1", 8000),
    extensions: Iterable[str] = ("websocket.http.response",),
) -> Sent:
    """Return what the application sends for one request."""
    pairs = list(headers.items()) if isinstance(headers, dict) else headers or []
    scope: Scope = {
        "type": kind,
        "method": method,
        "path": path,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in pairs],
        "server": server,
        "extensions": {name: {} for name in extensions},
    }
    incoming = iter([*body, {"type": "http.disconnect"}])
    sent = Sent()

    async def receive() -> Message:
        return next(incoming)

    async def send(message: Message) -> None:
        sent.messages.append(message)

    await app(scope, receive, send)
    return sent


async def accepting_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 200 to everything."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


def chunk(content: bytes, *, more: bool) -> dict[str, Any]:
    """Return one piece of a body."""
    return {"type": "http.request", "body": content, "more_body": more}
