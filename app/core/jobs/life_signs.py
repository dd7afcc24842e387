"""Whether a job still lives: it reports, or it computes. What only watches it counts as neither. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from app.core.jobs.event_tail import ReportedEvent

# Below this share of one core a process only waits.
IDLE_CPU_SHARE = 0.005
# Processor time is looked at over so long: it is counted in steps of 10 ms, and what watches reports now and then.
WINDOW_S = 20.0


class LifeSigns:
    """The signs of life of one process tree; times are monotonic seconds."""

    def __init__(self, silent_after_s: float, now: float) -> None:
        """The beginning is the first sign."""
        self._silent_after_s = silent_after_s
        self._window_s = min(WINDOW_S, silent_after_s / 4)
        self._alive_at = now
        self._window_at = now
        self._work_s = 0.0
        self._watch_s = 0.0

    def see_reports(self, reports: Iterable[ReportedEvent], now: float) -> None:
        """Take what the job reported; each report of its watcher says how much processor time that has used."""
        for report in reports:
            if report.event.is_sign_of_life:
                self._alive_at = now
            else:
                self._watch_s = report.watch_s

    def see_cpu(self, cpu_s: float, now: float) -> None:
        """Take the processor time that the tree has used so far."""
        if now - self._window_at < self._window_s:
            return
        work_s = cpu_s - self._watch_s
        if work_s - self._work_s > IDLE_CPU_SHARE * (now - self._window_at):
            self._alive_at = now
        self._work_s, self._window_at = work_s, now

    def is_silent(self, now: float) -> bool:
        """Whether there was no sign for too long."""
        return now - self._alive_at > self._silent_after_s
