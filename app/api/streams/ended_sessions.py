"""Ends the streams of a browser when its session ends: at a sign-out from anywhere, or when it expires."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from starlette.types import Scope

from app.api.security.sessions import SESSION_IN_SCOPE, Session, Sessions
from app.core.events import Subscription


@contextmanager
def revoke_with_session(scope: Scope, subscription: Subscription) -> Iterator[None]:
    """Revoke the subscription when the session ends that the request came with; a token's streams go on."""
    session: Session | None = scope.get(SESSION_IN_SCOPE)
    if session is None:
        yield
        return
    sessions: Sessions = scope["app"].state.sessions
    loop = asyncio.get_running_loop()

    def tell() -> None:
        with suppress(RuntimeError):  # the loop was closed, and the stream with it
            loop.call_soon_threadsafe(subscription.revoke)

    timer = loop.call_later(sessions.seconds_left(session), subscription.revoke)
    try:
        with sessions.watch(session, tell):
            yield
    finally:
        timer.cancel()
