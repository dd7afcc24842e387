"""Deletes directories, also on a full disk, and retries the writes that follow from a change already made.

A directory counts as deleted once it was renamed into the trash. What is written afterwards (lists, indexes) is derived
from the records: it may fail, which is logged, and is retried.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import secrets
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from app.durable import make_directory, sync_directory
from app.storage.json_store import CorruptDocumentError

logger = logging.getLogger(__name__)

# A rename may need room for a name in `.trash`, or `.trash` may lie on another disk; removing in place needs neither.
_NO_ROOM_FOR_A_NAME = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMLINK, errno.EXDEV})


def take_away(directory: Path, trash_dir: Path, record: str) -> Path:
    """Delete a directory in one step, usually a rename; return where its files are now, for `free_space`.

    `record` is the document without which the directory is ignored. Raises OSError, after which nothing has changed.
    """
    try:
        return _move_to_trash(directory, trash_dir)
    except OSError as error:
        if error.errno not in _NO_ROOM_FOR_A_NAME:
            raise
        logger.warning("%s is removed where it lies, because it cannot be moved to the trash: %s", directory, error)
    (directory / record).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        sync_directory(directory)
    return directory


def free_space(path: Path) -> None:
    """Remove the files that `take_away` moved; what cannot be removed now is removed at the next start."""
    shutil.rmtree(path, ignore_errors=True)


def _move_to_trash(directory: Path, trash_dir: Path) -> Path:
    make_directory(trash_dir)
    target = trash_dir / f"{directory.name}.{secrets.token_hex(4)}"
    directory.replace(target)
    try:
        sync_directory(directory.parent)
    except OSError as error:
        try:
            target.replace(directory)
        except OSError:
            logger.error("%s was deleted, but a power cut now may bring it back: %s", directory, error)
        else:
            raise
    return target


class Followers:
    """Writes that follow from a committed change. One that fails is logged and tried again, see `catch_up`."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._writing = threading.RLock()  # one after the other: an older write must not overtake a newer one
        self._owed: dict[str, Callable[[], object]] = {}
        self._logged: set[str] = set()

    def write(self, name: str, write: Callable[[], object]) -> None:
        """Write now, and retry what failed before; a later write of the same name replaces an earlier one."""
        with self._mutex:
            self._owed[name] = write
        self.catch_up()

    def catch_up(self) -> None:
        """Retry everything that could not be written. Called with each write, and by the scheduler now and then."""
        with self._writing:
            with self._mutex:
                owed = list(self._owed.items())
            for name, write in owed:
                if self._owed.get(name) is write and self._try(name, write):
                    with self._mutex:
                        if self._owed.get(name) is write:
                            del self._owed[name]

    def _try(self, name: str, write: Callable[[], object]) -> bool:
        """Return False when the write must be retried later."""
        try:
            write()
        except FileNotFoundError:  # what it belongs to was deleted meanwhile
            pass
        except OSError as error:
            if name not in self._logged:
                logger.error("%s could not be written and will be tried again: %s", name, error)
            self._logged.add(name)
            return False
        except CorruptDocumentError as error:  # it was set aside, and there is nothing to change
            logger.error("%s was not written: %s", name, error)
        self._logged.discard(name)
        return True
