"""Does something again and again in a thread of its own until it is done, as long as a disk refuses it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)
RETRY_AFTER_S = 1.0


class Retry:
    """Calls `attempt` every few seconds while it is needed. Thread-safe; no thread lives while nothing is."""

    def __init__(self, attempt: Callable[[], bool], name: str, every_s: float = RETRY_AFTER_S) -> None:
        """`attempt` returns whether nothing is left to be done."""
        self._attempt = attempt
        self._name = name
        self._every_s = every_s
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._is_needed = False
        self._thread: threading.Thread | None = None

    def need(self) -> None:
        """Say that there is something to be done; returns at once."""
        with self._lock:
            self._is_needed = True
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def stop(self, wait_s: float = 2.0) -> None:
        """Begin no further attempt, and wait for one that is under way."""
        self._stopped.set()
        thread = self._thread
        if thread is not None:
            thread.join(wait_s)

    def _run(self) -> None:
        while not self._stopped.wait(self._every_s):
            with self._lock:
                self._is_needed = False
            is_done = self._try()
            with self._lock:
                if is_done and not self._is_needed:
                    self._thread = None
                    return

    def _try(self) -> bool:
        try:
            return self._attempt()
        except OSError as error:
            logger.warning("%s: %s", self._name, error)
            return False
