"""One experiment as server-sent events: a view of its project's log, for a page that shows a single run."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter
from starlette.responses import Response

from app.api.dependencies import ExperimentPath, ProjectPath, StudioDep
from app.api.json_body import StrictRoute
from app.api.streams.project_events import After, LastEventId
from app.api.streams.sse import (
    EventStreamResponse,
    format_gone,
    format_message,
    format_retry,
    format_signed_out,
    resume_point,
    subscribe,
)
from app.core.events import CaughtUp, Gone, Resync, Revoked, StreamItem, Subscription
from app.core.exceptions import NotFoundError
from app.core.studio import Studio
from app.schemas.events import EventLine
from app.schemas.experiments import ExperimentRecord

TERMINAL_STATUSES = frozenset({"completed", "failed", "cancelled", "interrupted"})
_RESTING_STATUSES = frozenset({"created", "paused"})
_LAST_EVENT_WAIT_S = 2.0
router = APIRouter(prefix="/api/training/{pid}/experiments/{eid}", tags=["Training"], route_class=StrictRoute)
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `status`, `epoch_end`, `progress`; at the end `complete`, `gone` if it was deleted, "
        "or `signed-out`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get("/stream", response_class=Response, responses=_STREAM, summary="Follow an experiment")
def follow_experiment(
    pid: ProjectPath, eid: ExperimentPath, studio: StudioDep, after: After = 0, last_event_id: LastEventId = None
) -> Response:
    """The earlier events of its current run, then new ones. The stream ends when the run ends.

    Ids are sequence numbers of the project's log. If no run is active, the stream ends after the earlier events.
    """
    start = resume_point(last_event_id, after)
    record = studio.experiments.get_experiment(pid, eid)
    subscription = subscribe(studio.bus, pid, start)
    view = ExperimentView(studio, pid, record, subscription, is_resumed=start > 0)
    return EventStreamResponse(subscription, view.stream())


class ExperimentView:
    """Picks one experiment's facts out of its project's events.

    While the past is replayed only the current run is shown, and an end is held back: the log may hold ends of
    earlier runs, and a client closes at the first that it sees.
    """

    def __init__(
        self,
        studio: Studio,
        project_id: str,
        record: ExperimentRecord,
        subscription: Subscription,
        is_resumed: bool = False,
    ) -> None:
        self._studio = studio
        self._project_id = project_id
        self._record = record
        self._subscription = subscription
        self._is_ours = {record.current_run_id: True}
        self._is_resumed = is_resumed
        self._is_live = False
        self._is_over = False
        self._has_seen_run = False  # a pause ends the stream only of a client that came after it
        self._last_status: str | None = None
        self._last_seq = 0
        self._wait_s: float | None = None

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield the messages of one client."""
        yield format_retry()
        while not self._is_over:
            item = await self._next_item()
            if item is None:
                return
            for message in await self._show_or_end(item):
                yield message

    async def _next_item(self) -> StreamItem | None:
        """Return the next item, or an end of our own making where the log owes us one for too long."""
        try:
            with anyio.move_on_after(self._wait_s):
                return await self._subscription.__anext__()
        except StopAsyncIteration:
            return None
        return CaughtUp(self._last_seq)

    async def _show_or_end(self, item: StreamItem) -> list[bytes]:
        """Return what an item says; an experiment that is looked up and no longer there ends the stream."""
        try:
            return await self._show(item)
        except NotFoundError:
            return self._say_gone(self._last_seq)

    def _say_gone(self, seq: int) -> list[bytes]:
        self._is_over = True
        return [format_gone(seq)]

    async def _show(self, item: StreamItem) -> list[bytes]:
        if isinstance(item, CaughtUp):
            return await self._catch_up(item.seq)
        if isinstance(item, Resync):
            self._is_over = True
            return [format_message("resync", json.dumps({"seq": item.seq}))]
        if isinstance(item, Gone):
            return self._say_gone(item.seq)
        if isinstance(item, Revoked):
            self._is_over = True
            return [format_signed_out(item.seq)]
        self._last_seq = item.seq
        if self._is_deletion(item):
            return self._say_gone(item.seq)
        if item.type == "EXPERIMENT_STATUS" and item.payload.get("experiment_id") == self._record.id:
            return await self._show_status(item.seq, str(item.payload["status"]))
        return await self._show_run_event(item)

    def _is_deletion(self, line: EventLine) -> bool:
        if line.type != "RECORD_CHANGED":
            return False
        facts = line.payload  # an evaluation has the id of its experiment
        return (facts["noun"], facts["id"], facts["change"]) == ("experiment", self._record.id, "deleted")

    async def _show_status(self, seq: int, status: str) -> list[bytes]:
        self._last_status, self._wait_s = status, None
        if status not in TERMINAL_STATUSES:
            return [self._format_status(seq, status)]
        return await self._finish(seq) if self._is_live else []

    async def _show_run_event(self, line: EventLine) -> list[bytes]:
        if line.type == "EPOCH_FINISHED" and await self._is_our_run(line.payload.get("run_id")):
            return [format_message("epoch_end", json.dumps(line.payload["metrics"]), line.seq)]
        if line.type == "TRAIN_PROGRESS" and await self._is_our_run(line.payload.get("run_id")):
            return [format_message("progress", json.dumps(line.payload), line.seq)]
        return []

    async def _is_our_run(self, run_id: str | None) -> bool:
        if run_id not in self._is_ours:
            is_ours = False
            if self._is_live:
                runs = await run_sync(self._studio.experiments.list_runs, self._project_id, self._record.id)
                is_ours = any(run.id == run_id for run in runs.runs)
            self._is_ours[run_id] = is_ours
        return self._is_ours[run_id]

    async def _catch_up(self, seq: int) -> list[bytes]:
        """Compare the log with the record: either of the two may be a moment ahead of the other."""
        is_overdue, self._is_live = self._is_live, True
        self._last_seq = seq
        self._record = await run_sync(self._studio.experiments.get_experiment, self._project_id, self._record.id)
        status = self._record.status
        if status in TERMINAL_STATUSES or (status in _RESTING_STATUSES and not self._has_seen_run):
            if self._last_status == status or is_overdue or status == "created":  # no event tells of a creation
                return await self._finish(seq)
            self._wait_s = _LAST_EVENT_WAIT_S
            return []
        self._has_seen_run = True
        if self._last_status == status or self._is_resumed:
            self._wait_s = None  # the client has it from the log
            return []
        if not is_overdue:
            self._wait_s = _LAST_EVENT_WAIT_S
            return []
        self._wait_s, self._last_status = None, status
        return [self._format_status(seq, status)]

    async def _finish(self, seq: int) -> list[bytes]:
        self._is_over = True
        record = await run_sync(self._studio.experiments.get_experiment, self._project_id, self._record.id)
        status = self._last_status if self._last_status in TERMINAL_STATUSES else record.status
        summary = {
            "project_id": self._project_id,
            "experiment_id": record.id,
            "run_id": record.current_run_id,
            "status": status,
            "best_epoch": record.best_epoch,
            "best_metric": record.best_metric,
            "final_metrics": record.final_metrics,
        }
        return [self._format_status(seq, str(status)), format_message("complete", json.dumps(summary), seq)]

    def _format_status(self, seq: int, status: str) -> bytes:
        data = {"project_id": self._project_id, "experiment_id": self._record.id, "status": status}
        return format_message("status", json.dumps(data), seq or None)
