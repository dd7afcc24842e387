"""Reads and writes the JSON records of a workspace: cached, locked, and moved to `.corrupt/` when damaged.

A document that cannot be used is reported to the user. A damaged one lies in `.corrupt/` with the reason; one that the
disk cannot read, or that a later version wrote, stays in place and is remembered here until it can be read.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar, cast

from pydantic import BaseModel

from app.durable import make_directory
from app.regular_files import check_regular
from app.schemas.projects import CorruptDocument
from app.storage.cache import Cache
from app.storage.deletion import Followers
from app.storage.json_store import (
    CorruptDocumentError,
    NewerDocumentError,
    UnreadableDocumentError,
    read_bytes,
    read_model,
    set_aside,
    unreadable,
    write_model,
)
from app.storage.locks import DocumentLocks
from app.storage.paths import WorkspacePaths, is_id
from app.storage.reserve import Reserve

logger = logging.getLogger(__name__)
M = TypeVar("M", bound=BaseModel)
Signature = tuple[int, int, int]
MAX_REASON_BYTES = 2**16
MISSING = "it is missing, and what lies beside it cannot be used without it"


def sign_file(path: Path) -> Signature:
    """Return (mtime_ns, size, inode) of a document; raises FileNotFoundError or UnreadableDocumentError."""
    try:
        status = path.stat()
        check_regular(path, status)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unreadable(path, error) from error
    return status.st_mtime_ns, status.st_size, status.st_ino


def is_there(path: Path) -> bool:
    """Return whether anything exists at a path. Broken links count, and so do paths that cannot be examined."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


class DocumentStore:
    """Reads, writes and updates records. A record that was read is shared: change a copy, never the record."""

    def __init__(self, paths: WorkspacePaths) -> None:
        self.paths = paths
        self.reserve = Reserve(paths)
        self.followers = Followers()
        self._locks = DocumentLocks(paths)
        self._mutex = threading.Lock()
        self._records: Cache[Path, BaseModel] = Cache()
        self._refused: dict[Path, str] = {}
        self._generation = 0

    @property
    def generation(self) -> int:
        """Rises with each change that this process makes to the workspace's documents."""
        return self._generation

    def note_change(self) -> None:
        """Record a change that was made without `write` and `update`."""
        with self._mutex:
            self._generation += 1

    def read(self, path: Path, model: type[M], check: Callable[[M], None] | None = None) -> M:
        """Return a record; raises FileNotFoundError, or CorruptDocumentError, for which see `refuse`.

        `check` raises CorruptDocumentError for a record that does not fit what is known here.
        """
        with self.naming(path):
            state = sign_file(path), model
            record = cast("M", self._records.get(path, lambda: read_model(path, model), state=state))
            if check is not None:
                check(record)
        return record

    @contextlib.contextmanager
    def naming(self, path: Path) -> Iterator[None]:
        """Read a document inside of this context: an unusable one is refused, a usable one is no longer reported."""
        try:
            yield
        except CorruptDocumentError as error:
            self.refuse(path, error)
            raise
        if path in self._refused:
            with self._mutex:
                self._refused.pop(path, None)

    def refuse(self, path: Path, error: CorruptDocumentError) -> None:
        """Move a damaged document to `.corrupt/`; report one that cannot be read, or not by this version."""
        stays = isinstance(error, UnreadableDocumentError | NewerDocumentError)
        if not stays and self._set_aside(path, error.reason):
            return
        with self._mutex:
            is_new = self._refused.get(path) != error.reason
            self._refused[path] = error.reason
        if is_new:
            logger.error("%s cannot be read: %s", path, error.reason)

    def is_refused(self, path: Path) -> bool:
        """Return whether the last attempt to read a document or a folder failed."""
        return path in self._refused

    def name_missing(self, path: Path) -> None:
        """Report a missing document, unless it was moved to `.corrupt/` or nothing lies beside it."""
        prefix = "+".join(path.relative_to(self.paths.root).parts) + "."
        was_set_aside = any(name.startswith(prefix) for name in self._list_names(self.paths.corrupt_dir))
        has_neighbours = any(not name.startswith(".") for name in self._list_names(path.parent))
        if has_neighbours and not was_set_aside:
            with self._mutex:
                self._refused[path] = MISSING

    def list_directories(self, parent: Path, kind: str) -> list[Path]:
        """Return the subfolders that are named by an id of this kind; none for a folder that does not exist.

        A folder that cannot be listed is reported, and its contents are left out.
        """
        return [parent / name for name in self._list_names(parent) if is_id(kind, name)]

    def list_files(self, parent: Path, suffix: str) -> list[Path]:
        """Return the files of a folder with this ending; none for a folder that does not exist."""
        return [parent / name for name in self._list_names(parent) if name.endswith(suffix)]

    def _list_names(self, parent: Path) -> list[str]:
        try:
            names = [entry.name for entry in parent.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            problem = unreadable(parent, error)
            if not isinstance(problem, UnreadableDocumentError):
                raise
            self.refuse(parent, problem)
            return []
        if parent in self._refused:
            with self._mutex:
                self._refused.pop(parent, None)
        return sorted(names)

    def write(self, path: Path, record: BaseModel) -> None:
        """Write a record durably, creating its directory when needed, but no directory above it.

        Raises FileNotFoundError when the project or experiment that it belongs to was deleted meanwhile.
        """
        self._write(path, record, self.paths.owner_dir(path.parent.parent))

    def update(self, path: Path, model: type[M], change: Callable[[M], M], default: Callable[[], M] | None = None) -> M:
        """Read, change and write under the record's lock; return what was written.

        `default` makes a record that is missing or was set aside; without it FileNotFoundError is raised. What cannot
        be read, or not by this version, is never replaced: CorruptDocumentError is raised.
        """
        with self._locks.hold(path):
            try:
                record = self.read(path, model)
            except (UnreadableDocumentError, NewerDocumentError):
                raise
            except (FileNotFoundError, CorruptDocumentError):
                if default is None:
                    raise
                record = default()
            changed = change(record)
            self._write(path, changed, self.paths.owner_dir(path.parent))
        return changed

    def _write(self, path: Path, record: BaseModel, owner: Path) -> None:
        if owner == self.paths.root:
            make_directory(path.parent)
        else:
            make_directory(path.parent, below=owner)
        write_model(path, record)
        self.note_change()

    @contextlib.contextmanager
    def locked(self, path: Path) -> Iterator[None]:
        """Hold the lock of a document or directory, for changes without `write` and `update`."""
        with self._locks.hold(path):
            yield

    def derive(self, path: Path, model: type[M], build: Callable[[], M]) -> None:
        """Write a document that is derived from others. A failure is only reported, since the others suffice."""
        try:
            self.update(path, model, lambda _: build(), build)
        except (OSError, CorruptDocumentError) as error:
            logger.warning("%s could not be brought up to date: %s", path, error)

    def _set_aside(self, path: Path, reason: str) -> bool:
        """Return whether a damaged document was moved; it stays where the disk refuses even that."""
        try:
            set_aside(path, self.paths.root, self.paths.corrupt_dir, reason)
        except OSError as error:
            logger.error("%s cannot be set aside: %s", path, error)
            return not is_there(path)
        return True

    def forget(self, directory: Path) -> None:
        """Drop cached records below a directory that was deleted."""
        self._records.forget_where(lambda path: path.is_relative_to(directory))
        with self._mutex:
            for path in [path for path in self._refused if path.is_relative_to(directory)]:
                del self._refused[path]
            self._generation += 1

    def list_corrupt(self) -> list[CorruptDocument]:
        """Return every document that was set aside or cannot be read now, with its reason."""
        found = [
            CorruptDocument(path=self.show_path(path.with_suffix("")), reason=_read_reason(path))
            for path in (self.paths.corrupt_dir / name for name in self._list_names(self.paths.corrupt_dir))
            if path.suffix == ".reason"
        ]
        with self._mutex:
            refused = sorted(self._refused.items())
        for path, reason in refused:
            if is_there(path.parent if reason == MISSING else path):
                found.append(CorruptDocument(path=self.show_path(path), reason=reason, is_set_aside=False))
        return found

    def show_path(self, path: Path) -> str:
        """Return a path relative to the workspace as text that can be encoded, whatever bytes a name holds."""
        return os.fsencode(path.relative_to(self.paths.root).as_posix()).decode("utf-8", "replace")


def _read_reason(path: Path) -> str:
    try:
        return read_bytes(path, MAX_REASON_BYTES).decode("utf-8", "replace")
    except (OSError, CorruptDocumentError) as error:
        return f"the note that says why cannot be read: {error}"
