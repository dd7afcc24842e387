"""Waits for the answer of a job process that stays loaded. What is asked is the caller's."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from app.core.exceptions import AIStudioError
from app.core.jobs.scheduler import JobScheduler
from app.schemas.jobs import TERMINAL_JOB_STATUSES

ANSWER_TIMEOUT_S = 120.0
POLL_S = 0.01


class AnsweringFailedError(AIStudioError):
    """The process that answers ended or was silent."""

    code = "INTERNAL_ERROR"


def wait_for_answer(scheduler: JobScheduler, job_id: str, path: Path) -> dict[str, Any]:
    """Return the JSON that a job writes to `path`, and remove the file; raises AnsweringFailedError."""
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    while time.monotonic() < deadline:
        if path.is_file():
            answer: dict[str, Any] = json.loads(path.read_bytes())
            path.unlink(missing_ok=True)
            return answer
        job = scheduler.get(job_id)
        if job.status in TERMINAL_JOB_STATUSES and not path.is_file():
            reason = job.error.message if job.error is not None else job.status
            msg = f"The process that answers has ended: {reason}"
            raise AnsweringFailedError(msg)
        time.sleep(POLL_S)
    msg = f"No answer within {ANSWER_TIMEOUT_S:.0f} s."
    raise AnsweringFailedError(msg)
