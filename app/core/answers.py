"""Waits for the answer of a job process that stays loaded. What is asked is the caller's."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.core.exceptions import AIStudioError, ConflictError
from app.core.jobs.scheduler import JobScheduler
from app.schemas.jobs import TERMINAL_JOB_STATUSES

ANSWER_TIMEOUT_S = 120.0
POLL_S = 0.01
MAX_STARTS = 3


class AnsweringFailedError(AIStudioError):
    """The process that answers ended or was silent: a damaged model, a killed process. The server is all right."""

    code = "CONFLICT"


def ask_until_answered(ask: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    """Return what `ask` returns; None, from a process that ended for want of work, is asked again of its successor.

    Raises AnsweringFailedError after several such ends, and what `ask` raises.
    """
    for _ in range(MAX_STARTS):
        answer = ask()
        if answer is not None:
            return answer
    msg = "The model process stopped repeatedly. The server's log has the details."
    raise AnsweringFailedError(msg)


def wait_for_answer(scheduler: JobScheduler, job_id: str, path: Path) -> dict[str, Any] | None:
    """Return the JSON that a job writes to `path`, and remove the file; None when it ended for want of work.

    Raises ConflictError when the job was cancelled meanwhile, AnsweringFailedError when it broke or is silent.
    """
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    while time.monotonic() < deadline:
        job = scheduler.get(job_id)
        if path.is_file():  # after the status was read: an answer may come just before the end
            answer: dict[str, Any] = json.loads(path.read_bytes())
            path.unlink(missing_ok=True)
            return answer
        if job.status == "completed":
            return None
        if job.status == "cancelled":
            msg = "The request was cancelled. Try again."
            raise ConflictError(msg)
        if job.status in TERMINAL_JOB_STATUSES:
            reason = job.error.message if job.error is not None else job.status
            msg = f"The model process stopped. {reason}"
            raise AnsweringFailedError(msg)
        time.sleep(POLL_S)
    msg = f"No response within {ANSWER_TIMEOUT_S:.0f} s. Try again."
    raise AnsweringFailedError(msg)
