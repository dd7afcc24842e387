"""Checksums of files that are handed out, computed once for each state of a file and anew before a download."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

from app.checksum import find_checksum
from app.core.exceptions import ConflictError
from app.storage.cache import Cache

MAX_REMEMBERED = 256
# A disk that loses a bit changes no time of the file. Pieces of one download that come within this are read once.
VOUCHED_FOR_S = 60.0


class Checksums:
    """Remembers the sha256 of a file by its size, times and inode."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._known: Cache[Path, str] = Cache(MAX_REMEMBERED, clock=clock)

    def require(self, path: Path, checksum: str | None) -> None:
        """Raise ConflictError when a file is not the one that was certified; without a checksum nothing is known.

        The file is read for it, unless that was done just now.
        """
        if checksum is not None and self.find(path, VOUCHED_FOR_S) != checksum:
            msg = f"{path.name} was changed after it was certified, so it cannot be downloaded. Export the model again."
            raise ConflictError(msg)

    def find(self, path: Path, max_age_s: float = math.inf) -> str:
        """Return the sha256 of a file in hex, as it was at most so many seconds ago; raises OSError."""
        state = path.stat()
        signature = (state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
        return self._known.get(path, lambda: find_checksum(path), state=signature, max_age_s=max_age_s)
