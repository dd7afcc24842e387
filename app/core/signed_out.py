"""Sessions of browsers that were ended before their time; kept in a file, so that a restart does not bring one back."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from app.config import Settings
from app.schemas.sessions import SignedOutRecord
from app.storage.documents import DocumentStore
from app.storage.json_store import CorruptDocumentError, NewerDocumentError, UnreadableDocumentError
from app.storage.paths import WorkspacePaths

logger = logging.getLogger(__name__)


def open_signed_out(settings: Settings) -> SignedOut:
    """Return the ended sessions of a workspace; nothing is read yet."""
    return SignedOut(DocumentStore(WorkspacePaths(settings.workspace_root)))


class SignedOut:
    """The ids of ended sessions, each until the session would have ended by itself. Thread-safe."""

    def __init__(self, documents: DocumentStore, clock: Callable[[], float] = time.time) -> None:
        """signed_out.json is read at the first question and written at each end of a session."""
        self._documents = documents
        self._path = documents.paths.signed_out_file
        self._clock = clock
        self._lock = threading.Lock()
        self._ended: dict[str, float] = {}  # by this server
        self._stored: dict[str, float] | None = None  # None until the file could be read

    def add(self, session_id: str, until: float) -> None:
        """End a session that would last until this time (unix seconds); on a disk that fails, for this server only."""
        with self._lock:
            now = self._clock()
            self._ended = {each: end for each, end in self._ended.items() if end > now} | {session_id: until}
            stored = self._load()
            if stored is None:  # what cannot be read now is not replaced
                logger.error("The end of a session was not written to %s, which cannot be read", self._path)
                return
            self._stored = {each: end for each, end in stored.items() if end > now} | self._ended
            try:
                self._write(SignedOutRecord(self._stored))
            except OSError:
                logger.exception("The end of a session could not be written to %s", self._path)

    def __contains__(self, session_id: str) -> bool:
        with self._lock:
            return session_id in self._ended or session_id in (self._load() or {})

    def _write(self, record: SignedOutRecord) -> None:
        self._documents.reserve.spend(lambda: self._documents.write(self._path, record))

    def _load(self) -> dict[str, float] | None:
        """Return what the file holds, nothing of one that was set aside; None while it cannot be read."""
        if self._stored is None:
            try:
                self._stored = dict(self._documents.read(self._path, SignedOutRecord).root)
            except (UnreadableDocumentError, NewerDocumentError):
                return None
            except (FileNotFoundError, CorruptDocumentError):
                self._stored = {}
        return self._stored
