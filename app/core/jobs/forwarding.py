"""Hands what a job reports to its observer and to the project's log, in order. Knows no process."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

from app.core.events import EventBus
from app.core.exceptions import NotFoundError
from app.core.jobs.event_tail import ReportedEvent
from app.schemas.events import AnyEvent, JobResult
from app.schemas.jobs import JobRecord

logger = logging.getLogger(__name__)
RETRY_AFTER_S = 1.0
FORWARD_BUDGET_S = 0.25
OBSERVE_PATIENCE_S = 30.0


class EventForwarder:
    """The way of one job's events. An event is in the project's log once, even when the server died on the way.

    After such a death `observe` may see an event again that it saw before.
    """

    def __init__(self, bus: EventBus, job: JobRecord, observe: Callable[[AnyEvent], bool]) -> None:
        self._bus = bus
        self._job = job
        self._observe = observe
        self._forwarded_seq: int | None = None
        self._waiting: deque[ReportedEvent] = deque()
        self._is_first_observed = False
        self._retry_at = 0.0
        self._refused_seq = 0
        self._refused_at = 0.0
        self.result: JobResult | None = None

    def take(self, events: list[ReportedEvent]) -> None:
        """Accept events in the order of the job's log; the result is kept here and goes no further."""
        for reported in events:
            if isinstance(reported.event, JobResult):
                self.result = self.result or reported.event
            else:
                self._waiting.append(reported)

    def has_backlog(self) -> bool:
        """Whether events still wait to be passed on."""
        return bool(self._waiting)

    def forward(self) -> bool:
        """Pass on what waits, for about FORWARD_BUDGET_S at a time, so that a flood holds up no cancel.

        Returns whether nothing waits any more. After the disk refused an event, or what follows from it, it is tried
        again a second later.
        """
        now = time.monotonic()
        if now < self._retry_at:
            return not self._waiting
        while self._waiting and time.monotonic() - now < FORWARD_BUDGET_S:
            if not self._pass_on(self._waiting[0]):
                return False
            self._waiting.popleft()
            self._is_first_observed = False
        return not self._waiting

    def finish(self, wait_s: float) -> None:
        """Pass on everything that waits, with so many seconds of patience for a disk that refuses."""
        deadline = time.monotonic() + wait_s
        while not self.forward():
            if time.monotonic() < self._retry_at:
                if time.monotonic() > deadline:
                    logger.error("%d events of job %s could not be written", len(self._waiting), self._job.id)
                    return
                time.sleep(0.05)

    def _pass_on(self, reported: ReportedEvent) -> bool:
        try:
            if reported.seq <= self._find_forwarded_seq():
                return True
            if not self._is_first_observed:
                if not self._observe_patiently(reported):
                    return True
                self._is_first_observed = True
            self._bus.publish(
                self._job.project_id,
                reported.event,
                run_id=self._job.subject.get("run_id"),
                job_id=self._job.id,
                job_seq=reported.seq,
            )
        except NotFoundError:
            logger.warning("Job %s reported to a project that was deleted", self._job.id)
        except OSError as error:
            logger.warning("An event of job %s could not be written: %s", self._job.id, error)
            self._retry_at = time.monotonic() + RETRY_AFTER_S
            return False
        return True

    def _find_forwarded_seq(self) -> int:
        """Return what a former server passed on already; it is looked up once, and raises OSError until then."""
        if self._forwarded_seq is None:
            self._forwarded_seq = self._bus.last_job_seq(self._job.project_id, self._job.id)
        return self._forwarded_seq

    def _observe_patiently(self, reported: ReportedEvent) -> bool:
        """Return whether the event belongs into the project's log; raises OSError to be called again.

        A document that the disk refuses for long is given up, so that it does not hold up everything that follows.
        """
        try:
            return self._observe(reported.event)
        except OSError:
            if self._refused_seq != reported.seq:
                self._refused_seq, self._refused_at = reported.seq, time.monotonic()
            if time.monotonic() - self._refused_at < OBSERVE_PATIENCE_S:
                raise
            logger.exception("What follows from event %d of job %s is lost", reported.seq, self._job.id)
            return True
