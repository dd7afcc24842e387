"""Checksums of files that are handed out, computed once for each state of a file."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from app.checksum import find_checksum
from app.core.exceptions import ConflictError

MAX_REMEMBERED = 256
Signature = tuple[int, int, int]


class Checksums:
    """Remembers the sha256 of a file by its size, modification time and inode."""

    def __init__(self) -> None:
        self._mutex = Lock()
        self._known: dict[Path, tuple[Signature, str]] = {}

    def require(self, path: Path, checksum: str | None) -> None:
        """Raise ConflictError when a file is not the one that was certified; without a checksum nothing is known."""
        if checksum is not None and self.find(path) != checksum:
            msg = f"{path.name} has changed since it was certified, so it is not handed out. Export the model again."
            raise ConflictError(msg)

    def find(self, path: Path) -> str:
        """Return the sha256 of a file in hex; raises OSError."""
        state = path.stat()
        signature = (state.st_size, state.st_mtime_ns, state.st_ino)
        with self._mutex:
            known = self._known.get(path)
        if known is not None and known[0] == signature:
            return known[1]
        checksum = find_checksum(path)
        with self._mutex:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            self._known[path] = (signature, checksum)
        return checksum
