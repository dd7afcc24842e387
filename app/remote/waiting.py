"""Timeouts and retries with which polls and streams survive a restart of the server. Knows no noun of the API."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from app.remote.errors import StudioConnectionError, StudioTimeoutError

T = TypeVar("T")
RETRY_PAUSE_S = 0.5


class Patience:
    """The timeout of an operation, and how long the server may be unreachable during it (seconds)."""

    def __init__(self, timeout_s: float | None, reconnect_s: float, what: str) -> None:
        self._started = time.monotonic()
        self._timeout_s = timeout_s
        self._reconnect_s = reconnect_s
        self._what = what
        self._lost_at: float | None = None

    def check(self) -> None:
        """Raise StudioTimeoutError after the timeout."""
        if self._timeout_s is not None and time.monotonic() - self._started > self._timeout_s:
            raise StudioTimeoutError(
                f"{self._what} did not end within {self._timeout_s:g} s; it continues on the server."
            )

    def heard(self) -> None:
        """Note that the server answered."""
        self._lost_at = None

    def lost(self, error: StudioConnectionError) -> None:
        """Note that the server did not answer: wait a little, or raise the error when that has lasted too long."""
        now = time.monotonic()
        self._lost_at = self._lost_at or now
        if now - self._lost_at >= self._reconnect_s:
            raise error
        time.sleep(min(RETRY_PAUSE_S, self._reconnect_s))

    def pause(self, duration_s: float) -> None:
        """Wait before the next poll."""
        time.sleep(duration_s)

    def ask(self, question: Callable[[], T]) -> T:
        """Call `question` and return its answer, retrying while the server is unreachable."""
        while True:
            try:
                answer = question()
            except StudioConnectionError as error:
                self.lost(error)
                self.check()
            else:
                self.heard()
                return answer
