"""Reads what a child appends to its events.jsonl, complete lines only."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict, ValidationError

from app.schemas.common import FrozenModel, Time
from app.schemas.events import AnyEvent
from app.storage.json_store import open_document

logger = logging.getLogger(__name__)
_CHUNK_BYTES = 2**20


class ReportedEvent(FrozenModel):
    """One line of a job's own log. `watch_s`: in what is no sign of life, processor time of the thread that watches."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False, frozen=True)

    seq: int
    ts: Time
    event: AnyEvent
    watch_s: float = 0.0


@dataclass
class EventTail:
    """A place in a growing file."""

    path: Path
    offset: int = 0
    rest: bytes = b""

    def read_new(self) -> list[ReportedEvent]:
        """Return the events of the lines completed since the last call; unreadable ones are logged and left out."""
        try:
            if self.path.stat().st_size <= self.offset:
                return []
            with open_document(self.path) as stream:
                stream.seek(self.offset)
                data = stream.read(_CHUNK_BYTES)
        except FileNotFoundError:
            return []
        self.offset += len(data)
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [event for line in lines if line and (event := self._parse(line)) is not None]

    def read_rest(self) -> list[ReportedEvent]:
        """Return everything up to the end of the file, for when nobody writes to it any more."""
        events: list[ReportedEvent] = []
        while True:
            before = self.offset
            events += self.read_new()
            if self.offset == before:
                return events

    def _parse(self, line: bytes) -> ReportedEvent | None:
        try:
            return ReportedEvent.model_validate_json(line)
        except ValidationError as error:
            logger.warning("Skipped an unreadable event in %s: %s", self.path, error.errors(include_url=False)[:1])
            return None
