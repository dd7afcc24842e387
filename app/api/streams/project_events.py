"""The event log of a project as server-sent events, or as pages of JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from app.api.dependencies import ProjectPath, StudioDep
from app.api.json_body import StrictRoute
from app.api.present import present
from app.api.streams.sse import (
    MAX_SEQ,
    EventStreamResponse,
    LineFormatter,
    format_gone,
    format_message,
    format_retry,
    format_signed_out,
    resume_point,
    subscribe,
)
from app.core.events import CaughtUp, Gone, Resync, Revoked, Subscription
from app.schemas.envelope import Ok
from app.schemas.events import EventPage

DEFAULT_PAGE = 500
router = APIRouter(prefix="/api/projects/{pid}", tags=["Events"], route_class=StrictRoute)
_formatter = LineFormatter()
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A JSON page of events with `limit` or `Accept: application/json`, otherwise an event stream.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
After = Annotated[int, Query(ge=0, le=MAX_SEQ, description="Only events after this sequence number.")]
Limit = Annotated[
    int | None,
    Query(ge=1, le=1000, description="Return at most this many events as one JSON document instead of a stream."),
]
LastEventId = Annotated[str | None, Header(alias="last-event-id", description="Sent by browsers that reconnect.")]


@router.get("/events", response_model=Ok[EventPage], responses=_STREAM, summary="Follow or list the events")
def follow_events(
    request: Request,
    pid: ProjectPath,
    studio: StudioDep,
    after: After = 0,
    limit: Limit = None,
    last_event_id: LastEventId = None,
) -> Response:
    """Each event has its sequence number as `id`, its type as `event`, and its line of the log as `data`.

    The earlier events come first, then `caught-up`, then new events. `resync` ends the stream of a client that is too
    slow; it reconnects with the last id that it received and misses nothing. `gone` means that the project was
    deleted: do not reconnect. `signed-out` ends the stream of a browser whose session has ended.
    """
    start = resume_point(last_event_id, after)
    if limit is not None or _wants_json(request):
        return present(request, studio.states.list_events(pid, start, limit or DEFAULT_PAGE))
    studio.projects.get_project(pid)
    subscription = subscribe(studio.bus, pid, start)
    return EventStreamResponse(subscription, stream_events(subscription))


async def stream_events(subscription: Subscription) -> AsyncIterator[bytes]:
    """Yield the messages of one client."""
    yield format_retry()
    async for item in subscription:
        if isinstance(item, CaughtUp):
            yield format_message("caught-up", f'{{"seq":{item.seq}}}', item.seq or None)
        elif isinstance(item, Resync):
            yield format_message("resync", f'{{"seq":{item.seq}}}')
        elif isinstance(item, Gone):
            yield format_gone(item.seq)
        elif isinstance(item, Revoked):
            yield format_signed_out(item.seq)
        else:
            yield _formatter.format(item)


def _wants_json(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/event-stream" not in accept
