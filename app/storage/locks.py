"""Locks: first come, first served inside the process, and a lock file against other processes.

A file lock alone is unfair: waiters poll it, so one of them may never get it. Lock files live in `.locks/`, outside of
everything that can be deleted, and are never deleted.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from filelock import FileLock, Timeout
from pydantic import Field, ValidationError

from app.durable import make_directory
from app.schemas.common import StrictModel, Time, utc_now
from app.storage.json_store import CorruptDocumentError, read_model, set_aside, write_model
from app.storage.paths import WorkspacePaths
from app.storage.writability import explain_read_only

logger = logging.getLogger(__name__)

DEAD_HOLDER_WAIT_S = 5.0
DEAD_HOLDER_POLL_S = 0.05


class FifoLock:
    """A fair mutex: waiters get it in the order in which they came. Not reentrant."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiters: deque[threading.Event] = deque()
        self._is_held = False

    def acquire(self) -> None:
        """Wait for the lock."""
        with self._mutex:
            if not self._is_held and not self._waiters:
                self._is_held = True
                return
            turn = threading.Event()
            self._waiters.append(turn)
        turn.wait()

    def release(self) -> None:
        """Pass the lock to the next waiter."""
        with self._mutex:
            if self._waiters:
                self._waiters.popleft().set()
            else:
                self._is_held = False


def set_aside_foreign(paths: WorkspacePaths, lock_file: Path) -> None:
    """Move away anything but a file at the path of a lock: it could never be locked, and every change would fail."""
    with contextlib.suppress(OSError):
        if not stat.S_ISREG(lock_file.lstat().st_mode):
            set_aside(lock_file, paths.root, paths.corrupt_dir, "it stood in the place of a lock file")


class DocumentLocks:
    """One lock per document of a workspace."""

    def __init__(self, paths: WorkspacePaths) -> None:
        self._paths = paths
        self._mutex = threading.Lock()
        self._locks: dict[Path, FifoLock] = {}
        self._file_locks: dict[Path, FileLock] = {}

    @contextmanager
    def hold(self, document: Path) -> Iterator[None]:
        """Hold the lock of a document; not reentrant."""
        with self._mutex:
            lock = self._locks.setdefault(document, FifoLock())
            if document not in self._file_locks:
                lock_file = self._paths.lock_file(document)
                set_aside_foreign(self._paths, lock_file)
                self._file_locks[document] = FileLock(lock_file, poll_interval=0.005, thread_local=False)
            file_lock = self._file_locks[document]
        lock.acquire()
        try:
            is_locked = self._acquire_file(file_lock)
            try:
                yield
            finally:
                if is_locked:
                    file_lock.release()
        finally:
            lock.release()

    def _acquire_file(self, lock: FileLock) -> bool:
        """Lock the file as well. On a full or read-only disk go without, because this server is the only one."""
        try:
            make_directory(Path(lock.lock_file).parent)
            lock.acquire()
        except OSError as error:
            logger.warning("%s cannot be used: %s", lock.lock_file, error)
            return False
        return True


class ServerInfo(StrictModel):
    """Which process holds the workspace."""

    version: int = 1
    pid: int = Field(ge=1)
    started_at: Time


class WorkspaceInUseError(Exception):
    """Another server holds this workspace; the message says which process."""


class ServerLock:
    """Held from start to stop by the one server of a workspace; the system frees it when the process dies."""

    def __init__(self, paths: WorkspacePaths) -> None:
        self._paths = paths
        self._lock = FileLock(paths.server_lock_file, thread_local=False)

    def acquire(self) -> None:
        """Take the workspace; raises WorkspaceInUseError when a living process has it.

        On a read-only disk there is no lock: nobody can change anything there.
        """
        if problem := explain_read_only(self._paths.root):
            logger.warning("%s", problem)
            return
        make_directory(self._paths.server_lock_file.parent)
        set_aside_foreign(self._paths, self._paths.server_lock_file)
        deadline = time.monotonic() + DEAD_HOLDER_WAIT_S
        while True:
            try:
                self._lock.acquire(timeout=0)
                break
            except Timeout as error:
                # A server that was killed while it started a child leaves its lock to that child for a moment.
                if self._is_holder_alive() or time.monotonic() > deadline:
                    raise WorkspaceInUseError(self._describe_holder()) from error
                time.sleep(DEAD_HOLDER_POLL_S)
        try:
            write_model(self._paths.server_info_file, ServerInfo(pid=os.getpid(), started_at=utc_now()))
        except OSError as error:  # it only says who holds the lock
            logger.error("%s could not be written: %s", self._paths.server_info_file, error)

    def release(self) -> None:
        """Release the workspace."""
        self._lock.release()

    def _is_holder_alive(self) -> bool:
        holder = read_server_info(self._paths)
        return holder is None or psutil.pid_exists(holder.pid)

    def _describe_holder(self) -> str:
        place = f"The workspace {self._paths.root} is in use"
        holder = read_server_info(self._paths)
        if holder is None:
            return f"{place} by another server. Stop it first, or choose another workspace."
        name = psutil.Process(holder.pid).name() if psutil.pid_exists(holder.pid) else "unknown"
        return (
            f"{place} by process {holder.pid} ({name}), started {holder.started_at}. "
            "Stop it first, or choose another workspace."
        )


def read_server_info(paths: WorkspacePaths) -> ServerInfo | None:
    """Return which process holds the workspace, None when that cannot be read."""
    try:
        return read_model(paths.server_info_file, ServerInfo)
    except (OSError, CorruptDocumentError, ValidationError):
        return None
