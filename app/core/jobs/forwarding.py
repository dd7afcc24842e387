"""Hands what a job reports to its observer and to the project's log, in order. Knows no process."""

from __future__ import annotations

import logging
import sys
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
        self.result: JobResult | None = None

    def take(self, events: list[ReportedEvent]) -> None:
        """Accept events in the order of the job's log; the result is kept here and goes no further."""
        if self._forwarded_seq is None:
            self._forwarded_seq = self._find_forwarded_seq()
        for reported in events:
            if isinstance(reported.event, JobResult):
                self.result = self.result or reported.event
            elif reported.seq > self._forwarded_seq:
                self._waiting.append(reported)

    def has_backlog(self) -> bool:
        """Whether events still wait to be passed on."""
        return bool(self._waiting)

    def forward(self) -> bool:
        """Pass on what waits, for about FORWARD_BUDGET_S at a time, so that a flood holds up no cancel.

        Returns whether nothing waits any more. After the disk refused an event, it is tried again a second later.
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

    def _find_forwarded_seq(self) -> int:
        try:
            return self._bus.last_job_seq(self._job.project_id, self._job.id)
        except NotFoundError:
            logger.warning("Job %s reported to a project that was deleted", self._job.id)
            return sys.maxsize

    def _pass_on(self, reported: ReportedEvent) -> bool:
        if not self._is_first_observed:
            if not self._observe(reported.event):
                return True
            self._is_first_observed = True
        try:
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
