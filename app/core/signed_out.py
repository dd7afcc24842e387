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
SESSION_AGE_S = 30 * 24 * 3600
# In the place of an id: every session that would end before this time is over.
_EVERY = "*"


def open_signed_out(settings: Settings) -> SignedOut:
    """Return the ended sessions of a workspace; nothing is read yet."""
    return SignedOut(DocumentStore(WorkspacePaths(settings.workspace_root)))


class SignedOut:
    """The ids of ended sessions, each until the session would have ended by itself. Thread-safe.

    When the file is damaged, nobody knows who signed out, so every session that was begun before is over.
    """

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
            self._store({each: end for each, end in stored.items() if end > now} | self._ended)

    def has(self, session_id: str, until: float) -> bool:
        """Return whether a session that would last until this time (unix seconds) was ended."""
        with self._lock:
            stored = self._load() or {}
            return session_id in self._ended or session_id in stored or until < stored.get(_EVERY, 0.0)

    def _store(self, ended: dict[str, float]) -> None:
        self._stored, record = ended, SignedOutRecord(ended)
        try:
            self._documents.reserve.spend(lambda: self._documents.write(self._path, record))
        except OSError:
            logger.exception("The end of a session could not be written to %s", self._path)

    def _load(self) -> dict[str, float] | None:
        """Return what the file holds, of a damaged one the end of all sessions; None while it cannot be read."""
        if self._stored is None:
            try:
                self._stored = dict(self._documents.read(self._path, SignedOutRecord).root)
            except (UnreadableDocumentError, NewerDocumentError):
                return None
            except FileNotFoundError:
                self._stored = {}
            except CorruptDocumentError as error:
                logger.error("The list of ended sessions is damaged, so everybody signs in again: %s", error)
                self._store({_EVERY: float(int(self._clock()) + SESSION_AGE_S)})
        return self._stored
