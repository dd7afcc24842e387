"""Reads what a child appends to its events.jsonl, complete lines only."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ConfigDict, ValidationError

from app.schemas.common import FrozenModel, Time
from app.schemas.events import AnyEvent
from app.storage.json_store import open_document
from app.storage.log_lines import MAX_LINE_BYTES, LineAssembler

logger = logging.getLogger(__name__)
_CHUNK_BYTES = 2**20
_RETRY_S = 0.05


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
    _lines: LineAssembler = field(default_factory=lambda: LineAssembler(MAX_LINE_BYTES))
    is_refused: bool = False

    def read_new(self) -> list[ReportedEvent]:
        """Return the events of the lines completed since the last call; unreadable ones are logged and left out.

        A disk that refuses the file is logged, and asked again with the next call.
        """
        try:
            data = self._read_data()
        except OSError as error:
            if not self.is_refused:
                logger.error("What a job reports cannot be read now: %s: %s", self.path, error)
            self.is_refused = True
            return []
        self.is_refused = False
        self.offset += len(data)
        lines = (line if line is not None else b"(too long)" for _, line in self._lines.feed(data))
        return [event for line in lines if line and (event := self._parse(line)) is not None]

    def _read_data(self) -> bytes:
        try:
            if self.path.stat().st_size <= self.offset:
                return b""
            with open_document(self.path) as stream:
                stream.seek(self.offset)
                return stream.read(_CHUNK_BYTES)
        except FileNotFoundError:
            return b""

    def read_rest(self, wait_s: float = 0.0) -> list[ReportedEvent]:
        """Return everything up to the end of the file, for when nobody writes to it any more.

        `wait_s` is the patience with a disk that refuses to read it.
        """
        deadline = time.monotonic() + wait_s
        events: list[ReportedEvent] = []
        while True:
            before = self.offset
            events += self.read_new()
            if self.is_refused and time.monotonic() < deadline:
                time.sleep(_RETRY_S)
            elif self.offset == before:
                return events

    def _parse(self, line: bytes) -> ReportedEvent | None:
        try:
            return ReportedEvent.model_validate_json(line)
        except ValidationError as error:
            logger.warning("Skipped an unreadable event in %s: %s", self.path, error.errors(include_url=False)[:1])
            return None
