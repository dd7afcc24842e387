"""Lets an action through at most once in a while, so that progress does not flood. Standard library only."""

from __future__ import annotations

import time
from collections.abc import Callable

PROGRESS_INTERVAL_S = 0.5


class Throttle:
    """Lets an action through at most once per interval."""

    def __init__(self, interval_s: float = PROGRESS_INTERVAL_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = interval_s
        self._clock = clock
        self._last_s: float | None = None

    def is_due(self) -> bool:
        """Return whether the interval has passed since the last time that this was true."""
        now = self._clock()
        if self._last_s is not None and now - self._last_s < self._interval_s:
            return False
        self._last_s = now
        return True

    def restart(self) -> None:
        """Begin the interval here."""
        self._last_s = self._clock()
