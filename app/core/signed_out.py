"""Sessions of browsers that were ended before their time; kept in a file, so that a restart does not bring one back."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from app.config import Settings
from app.durable import write_bytes_durably
from app.storage.paths import WorkspacePaths
from app.storage.reserve import Reserve

logger = logging.getLogger(__name__)
MAX_BYTES = 2**20


def open_signed_out(settings: Settings) -> SignedOut:
    """Return the ended sessions of a workspace; nothing is read yet."""
    paths = WorkspacePaths(settings.workspace_root)
    return SignedOut(paths.signed_out_file, reserve=Reserve(paths))


class SignedOut:
    """The ids of ended sessions, each until the session would have ended by itself. Thread-safe."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time, reserve: Reserve | None = None) -> None:
        """`path` is read at the first question and written at each end of a session, on a full disk with `reserve`."""
        self._path = path
        self._clock = clock
        self._reserve = reserve
        self._lock = threading.Lock()
        self._until: dict[str, float] | None = None

    def add(self, session_id: str, until: float) -> None:
        """End a session that would last until this time (unix seconds); on a disk that fails, for this server only."""
        with self._lock:
            now = self._clock()
            kept = {each: end for each, end in self._load().items() if end > now} | {session_id: until}
            self._until = kept
            try:
                self._write(json.dumps(kept).encode())
            except OSError:
                logger.exception("The end of a session could not be written to %s", self._path)

    def __contains__(self, session_id: str) -> bool:
        with self._lock:
            return session_id in self._load()

    def _write(self, data: bytes) -> None:
        if self._reserve is None:
            write_bytes_durably(self._path, data)
        else:
            self._reserve.spend(lambda: write_bytes_durably(self._path, data))

    def _load(self) -> dict[str, float]:
        if self._until is None:
            self._until = self._read()
        return self._until

    def _read(self) -> dict[str, float]:
        try:
            with self._path.open("rb") as file:
                content = json.loads(file.read(MAX_BYTES))
            return {str(each): float(end) for each, end in content.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            logger.exception("The list of ended sessions in %s cannot be read", self._path)
            return {}
