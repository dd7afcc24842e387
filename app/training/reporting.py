"""What a run tells the world: events, and the lines of training.log. Only the first process of several speaks."""

from __future__ import annotations

import errno
import os
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal

from app.schemas.common import utc_now
from app.schemas.events import Event, JobProgressed, LogLine, ResourceStats, StageStatus, TrainProgress
from app.schemas.job_context import JobCancelled, JobContext, JobFailure

# What the next event says again, or the server at the end of the job.
_PASSING = (TrainProgress, JobProgressed, ResourceStats, LogLine, StageStatus)
_FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})

Level = Literal["debug", "info", "warning", "error"]


def read_local_rank() -> int:
    """Return the number of this process among those that train together on this machine, before they are connected."""
    return int(os.environ.get("LOCAL_RANK") or 0)


class RunReporter:
    """Reports the events of one run and writes its log; safe to use from several threads."""

    def __init__(self, context: JobContext, run_id: str, is_silent: bool = False) -> None:
        self.run_id = run_id
        self.is_silent = is_silent
        self._context = context
        self._lock = threading.Lock()
        self._path = context.output_dir / "logs" / "training.log"

    def __enter__(self) -> RunReporter:
        if not self.is_silent:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A cancelled run has no message, and its status says what happened.
        if error is not None and not isinstance(error, JobCancelled):
            # Only what was not foreseen needs the name that a programmer looks for.
            what = str(error) if isinstance(error, JobFailure) else f"{type(error).__name__}: {error}"
            self.write(f"The run failed. {what}")

    @property
    def log_path(self) -> Path:
        """The log that people read."""
        return self._path

    def report(self, event: Event) -> None:
        """Report an event; on a full disk one that passes is dropped, and for a fact JobFailure is raised."""
        if self.is_silent:
            return
        try:
            self._context.report(event)
        except OSError as error:
            if error.errno not in _FULL_DISK:
                raise
            if not isinstance(event, _PASSING):
                msg = "The disk is full: the run could not be recorded. Free up disk space."
                raise JobFailure(msg, "DiskFull") from error

    def log(self, text: str, level: Level = "info") -> None:
        """Report something notable, and write it into the log."""
        self.report(LogLine(run_id=self.run_id, level=level, text=text))
        self.write(text if level == "info" else f"{level}: {text}")

    def write(self, text: str) -> None:
        """Write a line into the log."""
        if self.is_silent:
            return
        # A disk without room must not end a run that could still be paused; the events say the same.
        with self._lock, suppress(OSError), self._path.open("a", encoding="utf-8") as file:
            file.write(f"{utc_now()} {text}\n")
