"""Formats lines of the event log as server-sent events, and streams them. Chooses no events."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from app.api.errors import TooManyStreamsError
from app.api.streams.ended_sessions import revoke_with_session
from app.core.events import EventBus, Subscription
from app.core.exceptions import ConflictError, invalid_field
from app.schemas.events import EventLine

PING_S = 10
RETRY_MS = 2000
SEND_TIMEOUT_S = 30.0
MAX_SEQ = 2**53


def format_message(event: str, data: str, seq: int | None = None) -> bytes:
    """Return one event on the wire; `data` is JSON."""
    return ServerSentEvent(data, event=event, id=None if seq is None else str(seq), sep="\n").encode()


def format_retry() -> bytes:
    """Return the wait before a client reconnects."""
    return ServerSentEvent(retry=RETRY_MS, sep="\n").encode()


def format_gone(seq: int) -> bytes:
    """Return the last event of a stream whose subject was deleted: the client need not come back."""
    return format_message("gone", f'{{"seq":{seq}}}')


def format_signed_out(seq: int) -> bytes:
    """Return the last event of a stream whose session has ended: the client has to sign in first."""
    return format_message("signed-out", f'{{"seq":{seq}}}')


class LineFormatter:
    """Formats each line once, however many clients receive it at the same moment."""

    def __init__(self) -> None:
        self._last: tuple[EventLine, bytes] | None = None

    def format(self, line: EventLine) -> bytes:
        """Return the line on the wire: its sequence number, its type, and the whole line as data."""
        last = self._last
        if last is not None and last[0] is line:
            return last[1]
        message = format_message(line.type, line.model_dump_json(exclude_none=True), line.seq)
        self._last = (line, message)
        return message


def subscribe(bus: EventBus, project_id: str, after: int) -> Subscription:
    """Return a subscription; raises TooManyStreamsError when as many as allowed are open."""
    try:
        return bus.subscribe(project_id, after)
    except ConflictError as error:
        raise TooManyStreamsError(error.message) from error


def resume_point(last_event_id: str | None, after: int | None) -> int:
    """Return where to go on: a reconnecting browser names the last event, which outweighs the address."""
    if not last_event_id:
        return after or 0
    if not last_event_id.isascii() or not last_event_id.isdigit() or int(last_event_id[:20]) > MAX_SEQ:
        raise invalid_field("Last-Event-ID", "Must be the id of an event, a whole number.")
    return int(last_event_id)


class EventStreamResponse(EventSourceResponse):
    """Server-sent events from one subscription, which it closes whatever happens."""

    def __init__(self, subscription: Subscription, messages: AsyncIterator[bytes]) -> None:
        super().__init__(messages, ping=PING_S, sep="\n", send_timeout=SEND_TIMEOUT_S)
        self._subscription = subscription

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the messages end, the client goes, or the server stops."""
        async with self._subscription:
            with revoke_with_session(scope, self._subscription):
                await super().__call__(scope, receive, send)
