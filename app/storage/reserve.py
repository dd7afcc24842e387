"""Reserves disk space in a file and frees it on a full disk, so that deleting and stopping still work.

Most deletions are a rename and need no room. Those that must write a document (a split is a column of dataset.json)
do it in the room of this file, which is made again at once. Losing the file loses nothing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from app.durable import FULL_DISK, sync_directory
from app.storage.paths import WorkspacePaths

logger = logging.getLogger(__name__)
T = TypeVar("T")
# What small documents, events and directories need besides the largest document.
SLACK_BYTES = 2**20
_CHUNK_BYTES = 2**20
# A pipe makes open() wait for a reader, and a link leads elsewhere; not every system has every flag.
_APPEND_FLAGS = (
    os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
) | getattr(os, "O_BINARY", 0)


class Reserve:
    """The reserve of one workspace. Thread-safe; a disk that does not take it is logged."""

    def __init__(self, paths: WorkspacePaths) -> None:
        """Nothing is read or written before `fill` or `spend`."""
        self._paths = paths
        self._path = paths.reserve_file
        self._lock = threading.Lock()
        self._num_spending = 0

    def spend(self, write: Callable[[], T]) -> T:
        """Call `write` and return its result; on a full disk free the reserve and call it again.

        For operations that delete, reset or end something. Raises what `write` raises.
        """
        try:
            return write()
        except OSError as error:
            if error.errno not in FULL_DISK:
                raise
            logger.warning("The disk is full (%s); the reserve is given up to write", error)
        with self._given_up():
            return write()

    def fill(self) -> None:
        """Reserve space for the largest dataset.json and some more, as far as the disk has it, and leave some free."""
        with self._lock:
            if not self._num_spending:
                self._fill()

    @contextlib.contextmanager
    def _given_up(self) -> Iterator[None]:
        """Free the reserve inside. The lock is not held there, because the write waits for its own locks."""
        with self._lock:
            self._num_spending += 1
            self._path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                sync_directory(self._path.parent)  # some file systems give the room back only then
        try:
            yield
        finally:
            with self._lock:
                self._num_spending -= 1
                if not self._num_spending:
                    self._fill()

    def _fill(self) -> None:
        try:
            size = _find_size(self._path)
            wanted = _choose_size(size + shutil.disk_usage(self._paths.root).free, self._find_largest())
            if size > wanted + SLACK_BYTES:  # the largest dataset was deleted
                os.truncate(self._path, wanted)
            elif size < wanted:
                self._grow(size, wanted)
        except OSError as error:
            logger.warning("No room was reserved at %s: %s", self._path, error)

    def _grow(self, size: int, wanted: int) -> None:
        descriptor = os.open(self._path, _APPEND_FLAGS, 0o600)
        try:
            left = wanted - size
            while left > 0:
                # Random, because a file system that compresses would keep no room for zeros.
                left -= os.write(descriptor, os.urandom(min(left, _CHUNK_BYTES)))
            os.fsync(descriptor)
        except OSError:  # a quota, or somebody was faster: leave them what there was
            os.ftruncate(descriptor, size)
            raise
        finally:
            os.close(descriptor)

    def _find_largest(self) -> int:
        largest = 0
        for project in self._paths.projects_dir.iterdir():
            with contextlib.suppress(OSError):
                largest = max(largest, (project / "dataset" / "dataset.json").stat().st_size)
        return largest


def _find_size(path: Path) -> int:
    """Return the size of the reserve, 0 without one; raises OSError for anything else in its place."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return 0
    if not stat.S_ISREG(status.st_mode):
        msg = "it is no file"
        raise OSError(msg)
    return status.st_size


def _choose_size(available: int, largest: int) -> int:
    """Return the size of the reserve, out of what it has and what is free.

    The largest document comes first. What remains is shared with everything else, so that a full disk from which
    something was deleted has room, however often that happens.
    """
    beyond = available - largest
    if beyond <= 0:
        return min(SLACK_BYTES, available // 2)
    return largest + min(SLACK_BYTES, beyond // 2)
