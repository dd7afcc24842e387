"""Answers 500 when a handler crashes: logs the traceback, and shows none of it to the client."""

from __future__ import annotations

import logging

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import INTERNAL_ERROR, answer_failure

logger = logging.getLogger(__name__)


class CrashMiddleware:
    """Answers 500 in the one envelope for whatever no handler expected."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on; an error after the answer began ends the connection instead."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_started = False

        async def send_and_note(message: Message) -> None:
            nonlocal has_started
            has_started = has_started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception:
            if has_started:
                raise
            logger.exception("%s %s failed", scope["method"], scope["path"])
            await answer_failure(Request(scope), INTERNAL_ERROR)(scope, receive, send)
