"""Ends a job for whoever needs its place or its files."""

from __future__ import annotations

from app.core.exceptions import ConflictError
from app.core.jobs.scheduler import JobScheduler

CANCEL_WAIT_S = 12.0


def cancel_and_wait(scheduler: JobScheduler, job_id: str) -> None:
    """Cancel a job and wait for its end, so that it cannot write into what comes next; raises ConflictError."""
    scheduler.cancel(job_id)
    try:
        scheduler.wait(job_id, CANCEL_WAIT_S)
    except TimeoutError:
        msg = f"The job {job_id} is not finished yet. Try again in a few seconds."
        raise ConflictError(msg) from None
