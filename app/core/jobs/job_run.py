"""One running job from its start to its end: forwards events, notices silence, and walks the ladder of a cancel."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.core.jobs.event_tail import EventTail
from app.core.jobs.forwarding import EventForwarder
from app.core.jobs.life_signs import LifeSigns
from app.core.jobs.outcome import EndCause, Ending, Outcome, decide_outcome, failed, interrupted
from app.core.jobs.process import ChildProcess
from app.first_failure import read_first_failure
from app.kernel_memory import watch_oom_kills

logger = logging.getLogger(__name__)
POLL_S = 0.05
SAMPLE_S = 2.0
RESULT_GRACE_S = 10.0
GIVE_UP_AFTER_S = 2.0
FINISH_WAIT_S = 3.0
LOG_LINES = 40


@dataclass
class _Ladder:
    """Asked at once, terminated and killed at these times (monotonic seconds)."""

    cause: EndCause
    terminate_at: float
    kill_at: float
    has_asked: bool = False
    has_terminated: bool = False
    has_killed: bool = False


class JobRun:
    """The child of one job and everything that watches it; `execute` runs in a thread of its own."""

    def __init__(
        self,
        job_dir: Path,
        child: ChildProcess,
        forwarder: EventForwarder,
        silent_after_s: float | None,
        clock: Callable[[], float] = time.monotonic,
        max_run_s: float | None = None,
    ) -> None:
        """Without `silent_after_s` the job may be silent, without `max_run_s` it may run for as long as it likes."""
        self._job_dir = job_dir
        self._child = child
        self._forwarder = forwarder
        self._tail = EventTail(job_dir / "events.jsonl")
        self._silent_after_s = silent_after_s
        self._max_run_s = max_run_s
        self._clock = clock
        self._lock = threading.Lock()
        self._ladder: _Ladder | None = None
        self._wake = threading.Event()
        self._result_at: float | None = None
        self._life: LifeSigns | None = None
        self._sampled_at = 0.0

    def send(self, message: dict[str, object]) -> None:
        """Send a command or a message to the child, also one that is still starting."""
        self._child.send(message)

    def end(self, cause: EndCause, ask_s: float, terminate_s: float) -> None:
        """Begin to end the job. The first cause stands; a later call can only bring the deadlines forward."""
        now = self._clock()
        with self._lock:
            ladder = self._ladder or _Ladder(cause, now + ask_s, now + ask_s + terminate_s)
            ladder.terminate_at = min(ladder.terminate_at, now + ask_s)
            ladder.kill_at = min(ladder.kill_at, now + ask_s + terminate_s)
            self._ladder = ladder
        self._wake.set()

    def execute(self, on_spawned: Callable[[ChildProcess], None]) -> Outcome:
        """Start the child and return how it ended, when nothing of it lives any more."""
        if self._ladder is not None:
            return Outcome("cancelled") if self._ladder.cause == "cancel" else interrupted()
        has_killed = watch_oom_kills()
        try:
            self._child.start()
        except OSError as error:
            return failed("StartFailed", f"The job's process could not be started: {error}")
        try:
            on_spawned(self._child)
            exit_code = self._watch()
            if self._ladder is None and self._child.start_again():
                logger.warning("The spare ended before it began the job in %s; a new process does it", self._job_dir)
                on_spawned(self._child)
                exit_code = self._watch()
        finally:
            self._child.close()
        self._forwarder.take(self._tail.read_rest(FINISH_WAIT_S))
        self._forwarder.finish(FINISH_WAIT_S)
        cause = self._ladder.cause if self._ladder is not None else None
        return decide_outcome(
            Ending(
                self._forwarder.result,
                exit_code,
                cause,
                self._child.last_lines(LOG_LINES),
                (self._max_run_s if cause == "deadline" else self._silent_after_s) or 0.0,
                read_first_failure(self._job_dir),
                has_killed(),
            )
        )

    def _watch(self) -> int | None:
        """Return the exit code, or None for a process that even SIGKILL did not end."""
        started_at = self._sampled_at = self._clock()
        self._life = None if self._silent_after_s is None else LifeSigns(self._silent_after_s, self._sampled_at)
        while (exit_code := self._child.exit_code()) is None:
            events = [] if self._forwarder.has_backlog() else self._tail.read_new()
            now = self._clock()
            if events:
                if self._life is not None:
                    self._life.see_reports(events, now)
                self._forwarder.take(events)
            self._forwarder.forward()
            self._child.flush()
            self._sample(now)
            if self._max_run_s is not None and now - started_at > self._max_run_s:
                self.end("deadline", ask_s=0.0, terminate_s=1.0)
            if self._forwarder.result is not None:
                self._end_after_result(now)
            if self._ladder is not None and not self._climb(self._ladder, now):
                return None
            if not events and not self._forwarder.has_backlog():
                self._wake.wait(POLL_S)
                self._wake.clear()
        return exit_code

    def _sample(self, now: float) -> None:
        """Look at the tree now and then; a job without events and without work has hung."""
        interval_s = SAMPLE_S if self._silent_after_s is None else min(SAMPLE_S, self._silent_after_s / 4)
        if now - self._sampled_at < interval_s:
            return
        self._sampled_at = now
        cpu_s = self._child.sample_cpu_s()
        if self._life is not None:
            self._life.see_cpu(cpu_s, now)
            if self._life.is_silent(now):
                self.end("silent", ask_s=0.0, terminate_s=1.0)

    def _end_after_result(self, now: float) -> None:
        """A child that said how it ended and then hangs is killed; what it said stands."""
        self._result_at = self._result_at or now
        if now - self._result_at > RESULT_GRACE_S:
            self._child.kill()

    def _climb(self, ladder: _Ladder, now: float) -> bool:
        """Do what is due to end the child; returns False when nothing is left to be tried."""
        if not ladder.has_asked:
            ladder.has_asked = True
            self._child.send({"command": "cancel"})
        if now >= ladder.terminate_at and not ladder.has_terminated:
            ladder.has_terminated = True
            self._child.sample_cpu_s()
            self._child.terminate()
        if now >= ladder.kill_at and not ladder.has_killed:
            ladder.has_killed = True
            self._child.kill()
        if now >= ladder.kill_at + GIVE_UP_AFTER_S:
            logger.error("Process %s could not be killed", self._child.pid)
            return False
        return True
