"""One door per project: whatever creates, starts or deletes something in a project goes through it one at a time.

This is what makes deleting, importing and training at the same moment end with one winner and no half state.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.storage.locks import FifoLock


class ProjectGate:
    """A first-come-first-served lock for each project."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._locks: dict[str, FifoLock] = {}

    @contextmanager
    def enter(self, project_id: str) -> Iterator[None]:
        """Hold the door of a project; not reentrant."""
        with self._mutex:
            lock = self._locks.setdefault(project_id, FifoLock())
        lock.acquire()
        try:
            yield
        finally:
            lock.release()
