"""Reports how far a job is: its stage, and progress at most twice a second. Nothing about evaluation in particular."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.schemas.events import StageId, StageStatus, StageStatusValue
from app.schemas.job_context import JobCancelled, JobContext, JobFailure

PROGRESS_INTERVAL_S = 0.5


@contextmanager
def report_stage(context: JobContext, stage_id: StageId, message: str) -> Iterator[None]:
    """Report the stage as in progress, and at the end of the block how it went."""
    context.report(StageStatus(stage_id=stage_id, status="IN_PROGRESS", message=message))
    status: StageStatusValue = "FAILED"
    closing = f"{message}: failed."
    try:
        yield
        status, closing = "COMPLETED", f"{message}: done."
    except JobCancelled:
        status, closing = "SKIPPED", f"{message}: cancelled."
        raise
    except JobFailure as failure:
        closing = str(failure)
        raise
    finally:
        context.report(StageStatus(stage_id=stage_id, status=status, message=closing))


class Throttle:
    """Lets an action through at most once per interval."""

    def __init__(self, interval_s: float = PROGRESS_INTERVAL_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = interval_s
        self._clock = clock
        self._last_s: float | None = None

    def is_due(self) -> bool:
        """Return whether the interval has passed since the last time that this was true."""
        now = self._clock()
        if self._last_s is not None and now - self._last_s < self._interval_s:
            return False
        self._last_s = now
        return True
