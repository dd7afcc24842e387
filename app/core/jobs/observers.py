"""How the services learn what becomes of the jobs that they submitted."""

from __future__ import annotations

import errno
import logging
from collections.abc import Collection
from typing import Protocol

from app.core.boundaries import skipping
from app.durable import FULL_DISK
from app.schemas.events import AnyEvent
from app.schemas.experiments import ErrorInfo
from app.schemas.jobs import JobRecord
from app.storage.deletion import Followers
from app.storage.reserve import Reserve

logger = logging.getLogger(__name__)


class JobObserver(Protocol):
    """Updates documents as a job goes on. Called in the job's thread, never under a lock of the scheduler.

    After a crash of the server `on_event` and `on_finished` may repeat what was seen before, so both must bear that.
    """

    def on_started(self, job: JobRecord) -> None:
        """The job's process runs."""
        ...

    def on_event(self, job: JobRecord, event: AnyEvent) -> bool:
        """See each event in order before it is published; return False to keep it out of the project's log."""
        ...

    def on_finished(self, job: JobRecord) -> None:
        """The job reached the state, result and error that it has now; documents are updated before anyone sees it."""
        ...

    def recover(self, living_jobs: Collection[str]) -> None:
        """Repair what jobs of a former server left behind, before this server starts any; `living_jobs` still wait.

        Jobs that ran when that server died are settled by then: `on_finished` was told of them.
        """
        ...


class ObserverTable:
    """One observer per kind of job; one that raises is logged and harms no job but its own.

    The end of a job that the disk refuses to record is recorded as soon as the disk lets it, see `catch_up`.
    """

    def __init__(self, reserve: Reserve) -> None:
        """`reserve` is the room on a full disk in which ends are recorded."""
        self._reserve = reserve
        self._observers: dict[str, JobObserver] = {}
        self._ends = Followers()

    def register(self, kind: str, observer: JobObserver) -> None:
        """Set the observer of a kind; raises ValueError for a second one."""
        if kind in self._observers:
            msg = f"Jobs of kind {kind!r} have an observer already."
            raise ValueError(msg)
        self._observers[kind] = observer

    def started(self, job: JobRecord) -> None:
        """Tell that the job runs."""
        observer = self._observers.get(job.kind)
        if observer is None:
            return
        try:
            observer.on_started(job)
        except Exception:
            logger.exception("The observer of job %s failed at its start", job.id)

    def saw_event(self, job: JobRecord, event: AnyEvent) -> bool:
        """Tell of an event; returns whether it belongs into the project's log.

        Raises OSError when the disk refuses now what follows from the event: to be told again.
        """
        observer = self._observers.get(job.kind)
        if observer is None:
            return True
        try:
            return observer.on_event(job, event)
        except Exception as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT):
                raise
            logger.exception("The observer of job %s failed at an event %s", job.id, event.type)
            return True

    def finished(self, job: JobRecord) -> JobRecord:
        """Tell of the end; a job whose end could not be recorded is returned as failed, for nothing came of it."""
        observer = self._observers.get(job.kind)
        if observer is None:
            return job
        try:
            self._reserve.spend(lambda: observer.on_finished(job))
        except Exception as error:
            logger.exception("The observer of job %s failed at its end", job.id)
            ended = job
            if job.status in ("completed", "paused"):
                ended = job.model_copy(update={"status": "failed", "error": _describe(error)})
            self._ends.write(f"The end of job {job.id}", lambda: _record_end(observer, ended))
            return ended
        return job

    def recover(self, living_jobs: Collection[str]) -> None:
        """Let every observer repair its records; one whose records cannot be used is logged and left out."""
        for kind, observer in self._observers.items():
            with skipping(f"The recovery of {kind!r} jobs"):
                observer.recover(living_jobs)

    def catch_up(self) -> None:
        """Record the ends that the disk refused, as far as it lets them be recorded now."""
        self._ends.catch_up()


def _record_end(observer: JobObserver, job: JobRecord) -> None:
    """Record an end again; raises OSError, to be called once more."""
    try:
        observer.on_finished(job)
    except OSError:
        raise
    except Exception:
        logger.exception("The observer of job %s failed at its end again", job.id)


def _describe(error: Exception) -> ErrorInfo:
    if isinstance(error, OSError) and error.errno in FULL_DISK:
        message = "The disk is full, so the result of the job was not saved. Free up disk space and try again."
        return ErrorInfo(type="DiskFull", message=message)
    return ErrorInfo(type=type(error).__name__, message=f"The result of the job could not be saved: {error}")
