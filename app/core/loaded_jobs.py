"""Job processes of one kind that stay loaded and answer messages. What they load and are asked is the caller's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from app.core.answers import wait_for_answer
from app.core.jobs.cancelling import cancel_and_wait
from app.core.jobs.scheduler import JobScheduler
from app.schemas.common import StrictModel, new_id
from app.schemas.events import AnyEvent, JobProgressed
from app.schemas.jobs import TERMINAL_JOB_STATUSES, JobRecord

K = TypeVar("K", bound=Hashable)


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
        """Return whether there is a process that was not told of as ended yet, of those whose keys are meant."""
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
