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
from app.storage.ended_sessions import read_ended_sessions
from app.storage.json_store import CorruptDocumentError
from app.storage.paths import WorkspacePaths

logger = logging.getLogger(__name__)


def open_signed_out(settings: Settings) -> SignedOut:
    """Return the ended sessions of a workspace; nothing is read yet."""
    return SignedOut(WorkspacePaths(settings.workspace_root).signed_out_file)


class SignedOut:
    """The ids of ended sessions, each until the session would have ended by itself. Thread-safe."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """`path` is read at the first question and written at each end of a session."""
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._until: dict[str, float] | None = None

    def add(self, session_id: str, until: float) -> None:
        """End a session that would last until this time (unix seconds); on a disk that fails, for this server only."""
        with self._lock:
            now = self._clock()
            kept = {each: end for each, end in self._load().items() if end > now} | {session_id: until}
            self._until = kept
            try:
                write_bytes_durably(self._path, json.dumps(kept).encode())
            except OSError:
                logger.exception("The end of a session could not be written to %s", self._path)

    def __contains__(self, session_id: str) -> bool:
        with self._lock:
            return session_id in self._load()

    def _load(self) -> dict[str, float]:
        if self._until is None:
            self._until = self._read()
        return self._until

    def _read(self) -> dict[str, float]:
        try:
            return read_ended_sessions(self._path)
        except FileNotFoundError:
            return {}
        except (OSError, CorruptDocumentError):
            logger.exception("The list of ended sessions in %s cannot be read", self._path)
            return {}
