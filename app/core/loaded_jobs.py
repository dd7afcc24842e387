"""Job processes of one kind that stay loaded and answer messages. What they load and are asked is the caller's."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from app.core.exceptions import AIStudioError, ConflictError
from app.core.jobs.cancelling import cancel_and_wait
from app.core.jobs.scheduler import JobScheduler
from app.schemas.common import StrictModel, new_id
from app.schemas.events import AnyEvent, JobProgressed
from app.schemas.jobs import TERMINAL_JOB_STATUSES, JobRecord

K = TypeVar("K", bound=Hashable)
ANSWER_TIMEOUT_S = 120.0
POLL_S = 0.01
MAX_STARTS = 3


@dataclass(frozen=True)
class LoadPlan:
    """What a process loads, the folder that its answers are written to, and whom it is about."""

    payload: StrictModel
    directory: Path
    subject: dict[str, str]


@dataclass(frozen=True)
class LoadedJob:
    """A process that lives or is being started, and the folder that its answers are written to."""

    id: str
    directory: Path
    is_ready: bool = False
    """Whether it has said or shown that it is loaded."""


class LoadedJobs(Generic[K]):
    """One process for each key, `max_jobs` at most: the one that was started first makes room for another.

    Thread-safe. The service that has this is the observer of its kind of job, and calls `saw_event` and `forget`.
    """

    def __init__(self, scheduler: JobScheduler, kind: str, max_jobs: int) -> None:
        self._scheduler = scheduler
        self._kind = kind
        self._max_jobs = max_jobs
        self._mutex = threading.Lock()
        self._jobs: dict[K, LoadedJob] = {}
        self._ready: set[str] = set()
        self._submitting: set[str] = set()  # the scheduler may not know them yet

    def load(self, project_id: str, key: K, plan: Callable[[str], LoadPlan]) -> LoadedJob:
        """Return the process of a key; where none lives, one is started with the plan for its job's id.

        The caller holds the gate of the project, so that no two are started for a key.
        """
        living = self.find(lambda known: known == key)
        if living is not None:
            return living
        job_id = new_id("job")
        wanted = plan(job_id)
        job = LoadedJob(job_id, wanted.directory)
        self._make_room(key)
        with self._mutex:
            self._jobs[key] = job
            self._submitting.add(job_id)
        try:
            self._scheduler.submit(
                self._kind,
                project_id,
                wanted.payload,
                wanted.directory,
                subject=wanted.subject,
                devices=[],
                job_id=job_id,
                is_service=True,
            )
        except BaseException:
            self.forget(job_id)
            raise
        finally:
            with self._mutex:
                self._submitting.discard(job_id)
        return job

    def ask(self, job: LoadedJob, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the answer to a message, which has an `id`; None when the process ended for want of work.

        Raises ConflictError when the process was ended meanwhile, AnsweringFailedError when it broke or is silent.
        """
        path = job.directory / f"{message['id']}.json"
        self._scheduler.message(job.id, dict(message))
        try:
            answer = wait_for_answer(self._scheduler, job.id, path)
        finally:
            path.unlink(missing_ok=True)
        self._note_ready(job.id)  # the answer may come before the report of the process is read
        return answer

    def find(self, is_meant: Callable[[K], bool]) -> LoadedJob | None:
        """Return the process that was started last of those whose keys are meant, None where that one has ended."""
        with self._mutex:
            found = [job for key, job in self._jobs.items() if is_meant(key)]
            if not found:
                return None
            job = replace(found[-1], is_ready=found[-1].id in self._ready)
            is_submitting = job.id in self._submitting
        is_over = not is_submitting and self._scheduler.get(job.id).status in TERMINAL_JOB_STATUSES
        return None if is_over else job

    def has(self, is_meant: Callable[[K], bool]) -> bool:
        """Return whether a process is kept whose key is meant, even one that has just ended."""
        with self._mutex:
            return any(is_meant(key) for key in self._jobs)

    def cancel(self, is_meant: Callable[[K], bool]) -> None:
        """End the processes whose keys are meant, without waiting for it."""
        for job_id in self._take(is_meant):
            self._scheduler.cancel(job_id)

    def end(self, is_meant: Callable[[K], bool]) -> None:
        """End the processes whose keys are meant, and wait for it; raises ConflictError."""
        for job_id in self._take(is_meant):
            cancel_and_wait(self._scheduler, job_id)

    def saw_event(self, job: JobRecord, event: AnyEvent) -> None:
        """Note that a process reports to be loaded."""
        if isinstance(event, JobProgressed):
            self._note_ready(job.id)

    def forget(self, job_id: str) -> None:
        """Drop a process that has ended, idle or not."""
        with self._mutex:
            self._ready.discard(job_id)
            for key in [key for key, job in self._jobs.items() if job.id == job_id]:
                del self._jobs[key]

    def _note_ready(self, job_id: str) -> None:
        with self._mutex:
            if any(job.id == job_id for job in self._jobs.values()):
                self._ready.add(job_id)

    def _take(self, is_meant: Callable[[K], bool]) -> list[str]:
        with self._mutex:
            keys = [key for key in self._jobs if is_meant(key)]
            return [self._jobs.pop(key).id for key in keys]

    def _make_room(self, key: K) -> None:
        with self._mutex:
            self._jobs.pop(key, None)  # of a process that has ended
            surplus = list(self._jobs)[: max(0, len(self._jobs) - self._max_jobs + 1)]
        self.cancel(lambda known: known in surplus)


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
