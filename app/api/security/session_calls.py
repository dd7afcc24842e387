"""One request of a signed-in browser: a stream ends with the session that it was opened with. Decides no access."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.security.sessions import Session, Sessions

SIGNED_OUT = 4401  # of the codes of a WebSocket that are free for applications
_EVENT_STREAM = b"text/event-stream"


class SessionCall:
    """Runs the application; once the session is ended, a stream is told that its client has gone."""

    def __init__(self, app: ASGIApp, sessions: Sessions, session: Session) -> None:
        self._app = app
        self._sessions = sessions
        self._session = session
        self._ended = asyncio.Event()
        self._is_stream = False
        self._is_complete = False

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on; other answers than streams are left to their end."""
        loop = asyncio.get_running_loop()
        is_socket = self._is_stream = scope["type"] == "websocket"

        def note_end() -> None:
            loop.call_soon_threadsafe(self._ended.set)

        async def receive_until_end() -> Message:
            if not self._is_stream:
                return await receive()
            message = await self._first_of(receive)
            if message is not None:
                return message
            return {"type": "websocket.disconnect", "code": SIGNED_OUT} if is_socket else {"type": "http.disconnect"}

        async def send_and_note(message: Message) -> None:
            self._note(message)
            await send(message)

        with self._sessions.following(self._session, note_end):
            await self._app(scope, receive_until_end, send_and_note)
        if self._ended.is_set() and self._is_stream and not self._is_complete:
            end: Message = {"type": "websocket.close", "code": SIGNED_OUT, "reason": "Signed out."}
            await send(end if is_socket else {"type": "http.response.body", "body": b"", "more_body": False})

    async def _first_of(self, receive: Receive) -> Message | None:
        """Return the next message, None when the session ends before it comes."""
        tasks: tuple[asyncio.Future[Any], ...] = (
            asyncio.ensure_future(receive()),
            asyncio.ensure_future(self._ended.wait()),
        )
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return tasks[0].result() if tasks[0].done() else None
        finally:
            for task in tasks:
                task.cancel()

    def _note(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            kinds = [value for name, value in message.get("headers", []) if name.lower() == b"content-type"]
            self._is_stream = any(value.startswith(_EVENT_STREAM) for value in kinds)
        is_last_piece = message["type"] == "http.response.body" and not message.get("more_body", False)
        if is_last_piece or message["type"] == "websocket.close":
            self._is_complete = True
