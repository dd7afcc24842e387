"""Formats lines of the event log as WebSocket messages. Sends nothing."""

from __future__ import annotations

from typing import Any

from app.schemas.common import parse_time, utc_now
from app.schemas.events import STAGES, EventLine, ProjectState

VERSION = 1
_INDEX_OF: dict[str, int] = {stage_id: index for index, stage_id in enumerate(STAGES)}


class StageTracker:
    """Knows the stage of each event: the one it names, or else the last that changed."""

    def __init__(self, state: ProjectState | None) -> None:
        """`state` has the stages so far; None at the beginning of the log."""
        self._statuses: dict[str, str] = dict.fromkeys(STAGES, "PENDING")
        self._current: str = STAGES[0]
        if state is not None:
            self._statuses.update({stage.id: stage.status for stage in state.stages})
            self._current = state.current_stage.id

    def stage_of(self, line: EventLine) -> dict[str, Any]:
        """Return the stage of the next event of the log as clients see it."""
        if line.type == "STAGE_STATUS":
            self._current = str(line.payload["stage_id"])
            self._statuses[self._current] = str(line.payload["status"])
        stage_id = line.stage_id or self._current
        return {"id": stage_id, "index": _INDEX_OF[stage_id], "status": self._statuses[stage_id]}


def hello_frame(project_id: str, seq: int) -> dict[str, Any]:
    """Return the first message; `seq` is the newest event of the log."""
    return {"v": VERSION, "type": "HELLO", "project_id": project_id, "server_time": utc_now(), "seq": seq}


def event_frame(line: EventLine, stage: dict[str, Any]) -> dict[str, Any]:
    """Return the message of one event."""
    return {
        "v": VERSION,
        "type": "EVENT",
        "project_id": line.project_id,
        "seq": line.seq,
        "ts": unix_ms(line.ts),
        "stage": stage,
        "event": {"name": line.type, "payload": line.payload},
    }


def error_frame(message: str, code: str = "VALIDATION_ERROR") -> dict[str, Any]:
    """Return the answer to what cannot be done."""
    return {"type": "error", "code": code, "message": message}


def unix_ms(iso: str) -> int:
    """Return a time of the log in milliseconds since 1970."""
    return round(parse_time(iso).timestamp() * 1000)
