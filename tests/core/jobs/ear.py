"""Runs one job in a real process and watches it as the server does, without a log of a project."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from app.core.jobs.event_tail import ReportedEvent
from app.core.jobs.forwarding import EventForwarder
from app.core.jobs.job_run import JobRun
from app.core.jobs.outcome import Outcome
from app.core.jobs.process import ChildProcess
from app.schemas.events import JobResult
from app.schemas.jobs import JobRequest


class Ear:
    """Takes what a job reports, and keeps its result."""

    def __init__(self) -> None:
        self.result: JobResult | None = None

    def take(self, events: list[ReportedEvent]) -> None:
        self.result = next((each.event for each in events if isinstance(each.event, JobResult)), self.result)

    def forward(self) -> bool:
        return True

    def has_backlog(self) -> bool:
        return False

    def finish(self, wait_s: float) -> None:
        """Nothing waits."""


def run_job(
    request: JobRequest,
    arguments: Sequence[str],
    silent_after_s: float | None = None,
    clock: Callable[[ChildProcess], float] | None = None,
) -> Outcome:
    """Return how the server would end this job; `clock` makes its time a function of the child."""
    job_dir = Path(request.job_dir)
    (job_dir / "request.json").write_text(request.model_dump_json())
    child = ChildProcess(job_dir, arguments)
    tell_time = time.monotonic if clock is None else (lambda: clock(child))
    return JobRun(job_dir, child, cast("EventForwarder", Ear()), silent_after_s, tell_time).execute(lambda _: None)
