"""How the services learn what becomes of the jobs that they submitted."""

from __future__ import annotations

import errno
import logging
from typing import Protocol

from app.durable import FULL_DISK
from app.schemas.events import AnyEvent
from app.schemas.experiments import ErrorInfo
from app.schemas.jobs import JobRecord
from app.storage.writability import READ_ONLY_ERRORS

logger = logging.getLogger(__name__)
# A disk that refuses a write with one of these may take it later.
REFUSED_FOR_NOW = FULL_DISK | READ_ONLY_ERRORS | {errno.EIO}


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


class ObserverTable:
    """One observer per kind of job; one that raises is logged and harms no job but its own."""

    def __init__(self) -> None:
        self._observers: dict[str, JobObserver] = {}

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
        """Tell of an event; returns whether it belongs into the project's log."""
        observer = self._observers.get(job.kind)
        if observer is None:
            return True
        try:
            return observer.on_event(job, event)
        except Exception:
            logger.exception("The observer of job %s failed at an event %s", job.id, event.type)
            return True

    def finished(self, job: JobRecord) -> tuple[JobRecord, bool]:
        """Tell of the end; return the job, and whether its end still has to be told because the disk refused it.

        A job whose end could not be recorded is returned as failed, for nothing came of it.
        """
        observer = self._observers.get(job.kind)
        if observer is None:
            return job, False
        try:
            observer.on_finished(job)
        except Exception as error:
            logger.exception("The observer of job %s failed at its end", job.id)
            is_owed = isinstance(error, OSError) and error.errno in REFUSED_FOR_NOW
            if job.status in ("completed", "paused"):
                is_full = isinstance(error, OSError) and error.errno in FULL_DISK
                kind = "DiskFull" if is_full else type(error).__name__
                reason = ErrorInfo(type=kind, message=f"What the job made could not be kept: {error}")
                return job.model_copy(update={"status": "failed", "error": reason}), is_owed
            return job, is_owed
        return job, False

    def tell_again(self, job: JobRecord) -> bool:
        """Tell of an end that the disk refused earlier; return whether it took it now, or never will."""
        try:
            self._observers[job.kind].on_finished(job)
        except OSError as error:
            return error.errno not in REFUSED_FOR_NOW
        except Exception:
            logger.exception("The observer of job %s failed at its end", job.id)
        return True
