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
from app.storage.json_store import CorruptDocumentError, UnreadableDocumentError, set_aside
from app.storage.paths import WorkspacePaths
from app.storage.signed_out import read_signed_out

logger = logging.getLogger(__name__)
SESSION_AGE_S = 30 * 24 * 3600
# In the place of an id: every session that would end before this time is over.
EVERY = "*"


def open_signed_out(settings: Settings) -> SignedOut:
    """Return the ended sessions of a workspace; nothing is read yet."""
    return SignedOut(WorkspacePaths(settings.workspace_root).signed_out_file)


class SignedOut:
    """The ids of ended sessions, each until the session would have ended by itself. Thread-safe.

    When the file cannot be read, nobody knows who signed out, so every session that was begun before is over.
    """

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
            self._until = {each: end for each, end in self._load().items() if end > now} | {session_id: until}
            self._write()

    def has(self, session_id: str, until: float) -> bool:
        """Return whether a session that would last until this time was ended."""
        with self._lock:
            ended = self._load()
            return session_id in ended or until < ended.get(EVERY, 0.0)

    def _load(self) -> dict[str, float]:
        if self._until is None:
            try:
                self._until = read_signed_out(self._path)
            except FileNotFoundError:
                self._until = {}
            except (OSError, CorruptDocumentError) as error:
                self._until = {EVERY: float(int(self._clock()) + SESSION_AGE_S)}
                self._replace(error)
        return self._until

    def _replace(self, error: Exception) -> None:
        """Set a damaged file aside and remember in its place that all sessions are over."""
        logger.error("The list of ended sessions cannot be read, so everybody has to sign in again: %s", error)
        if isinstance(error, CorruptDocumentError) and not isinstance(error, UnreadableDocumentError):
            root = self._path.parent
            try:
                set_aside(self._path, root, WorkspacePaths(root).corrupt_dir, error.reason)
            except OSError:
                logger.exception("%s cannot be set aside", self._path)
            self._write()

    def _write(self) -> None:
        try:
            write_bytes_durably(self._path, json.dumps(self._until).encode())
        except OSError:
            logger.exception("The end of a session could not be written to %s", self._path)
