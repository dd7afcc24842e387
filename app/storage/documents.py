"""Every JSON record of a workspace is read and written through this store: cached, locked, set aside when corrupt."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from app.durable import make_directory
from app.schemas.projects import CorruptDocument
from app.storage.json_store import CorruptDocumentError, read_model, set_aside, write_model
from app.storage.locks import DocumentLocks
from app.storage.paths import WorkspacePaths

M = TypeVar("M", bound=BaseModel)
Signature = tuple[int, int, int]


def sign_file(path: Path) -> Signature:
    """Return (mtime_ns, size, inode); raises FileNotFoundError."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


class DocumentStore:
    """Reads, writes and updates records. A record that was read is shared: change a copy, never the record."""

    def __init__(self, paths: WorkspacePaths) -> None:
        self.paths = paths
        self._locks = DocumentLocks(paths)
        self._mutex = threading.Lock()
        self._cache: dict[Path, tuple[Signature, BaseModel]] = {}
        self._generation = 0

    @property
    def generation(self) -> int:
        """Rises with each change that this process makes to the workspace's documents."""
        return self._generation

    def note_change(self) -> None:
        """Say that something was changed by other means than `write` and `update`."""
        with self._mutex:
            self._generation += 1

    def read(self, path: Path, model: type[M]) -> M:
        """Return a record; raises FileNotFoundError. A corrupt one is set aside and CorruptDocumentError is raised."""
        signature = sign_file(path)
        with self._mutex:
            cached = self._cache.get(path)
        if cached is not None and cached[0] == signature and type(cached[1]) is model:
            return cached[1]
        try:
            record = read_model(path, model)
        except CorruptDocumentError as error:
            self.quarantine(path, error.reason)
            raise
        with self._mutex:
            self._cache[path] = (signature, record)
        return record

    def write(self, path: Path, record: BaseModel) -> None:
        """Write a record durably, creating its directory when needed, but never what that lies in.

        Raises FileNotFoundError when the project or experiment that it belongs to was deleted meanwhile.
        """
        self._write(path, record, self.paths.owner_dir(path.parent.parent))

    def update(self, path: Path, model: type[M], change: Callable[[M], M], default: Callable[[], M] | None = None) -> M:
        """Read, change and write under the record's lock; return what was written.

        `default` makes a record that is missing or was set aside; without it FileNotFoundError is raised.
        """
        with self._locks.hold(path):
            try:
                record = self.read(path, model)
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
        """Hold the lock of a document or directory that is changed by other means."""
        with self._locks.hold(path):
            yield

    def quarantine(self, path: Path, reason: str) -> None:
        """Set an unreadable document aside; where the disk refuses even that, it stays."""
        with contextlib.suppress(OSError):
            set_aside(path, self.paths.root, self.paths.corrupt_dir, reason)

    def forget(self, directory: Path) -> None:
        """Drop cached records below a directory that was deleted."""
        with self._mutex:
            for path in [path for path in self._cache if path.is_relative_to(directory)]:
                del self._cache[path]
            self._generation += 1

    def list_corrupt(self) -> list[CorruptDocument]:
        """Return every document that was set aside, with its reason."""
        found = []
        if self.paths.corrupt_dir.is_dir():
            for path in sorted(self.paths.corrupt_dir.glob("*.reason")):
                document = path.with_suffix("").relative_to(self.paths.root)
                found.append(CorruptDocument(path=document.as_posix(), reason=path.read_text("utf-8")))
        return found
