"""Sessions of browsers that signed in with the token. The cookie proves the sign-in without containing the token."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.core.signed_out import SESSION_AGE_S, SignedOut

SESSION_COOKIE = "ai_studio_session"
SIGN_IN_PATH = "/sign-in"
SIGN_OUT_PATH = "/sign-out"
START_PATH = "/projects"
SESSION_IN_SCOPE = "ai_studio.session"  # where the scope of a request holds its Session
# Whether the request that is being answered came with a session; pages offer to end it.
_HAS_SESSION: ContextVar[bool] = ContextVar("has_session", default=False)


@dataclass(frozen=True)
class Session:
    """A session that is proven; `until` is its end in unix seconds."""

    id: str
    until: float


class Sessions:
    """Starts, verifies and ends sessions. Without a token there are none."""

    def __init__(self, token: str | None, signed_out: SignedOut, clock: Callable[[], float] = time.time) -> None:
        self._token = token
        self._signed_out = signed_out
        self._clock = clock
        self._mutex = threading.Lock()
        self._watchers: dict[str, list[Callable[[], None]]] = {}

    def begin(self) -> str:
        """Return what the cookie of a new session holds: an id, its beginning, and the proof of both."""
        fact = f"{secrets.token_hex(16)}.{int(self._clock())}"
        return f"{fact}.{self._prove(fact)}"

    def find(self, cookie: str) -> Session | None:
        """Return the session that a cookie proves; None for a forged, expired or ended one."""
        fact, _, proof = cookie.rpartition(".")
        if self._token is None or not is_same(proof, self._prove(fact)):
            return None
        session_id, _, began = fact.partition(".")
        session = Session(session_id, int(began) + SESSION_AGE_S)
        is_over = session.until <= self._clock() or self._signed_out.has(session.id, session.until)
        return None if is_over else session

    def end(self, cookie: str) -> None:
        """End a session, also for copies of its cookie; an invalid cookie is ignored."""
        session = self.find(cookie)
        if session is None:
            return
        self._signed_out.add(session.id, session.until)
        with self._mutex:
            watchers = list(self._watchers.get(session.id, ()))
        for tell in watchers:
            tell()

    @contextmanager
    def watch(self, session: Session, tell: Callable[[], None]) -> Iterator[None]:
        """Call `tell`, from any thread, when the session is ended inside of the block or was ended just before."""
        with self._mutex:
            self._watchers.setdefault(session.id, []).append(tell)
        try:
            if self._signed_out.has(session.id, session.until):
                tell()
            yield
        finally:
            with self._mutex:
                left = self._watchers[session.id]
                left.remove(tell)
                if not left:
                    del self._watchers[session.id]

    def seconds_left(self, session: Session) -> float:
        """Return how long a session still lasts by itself."""
        return max(0.0, session.until - self._clock())

    def _prove(self, fact: str) -> str:
        key = (self._token or "").encode()
        return hmac.new(
            key, f"session of a browser {fact}".encode("utf-8", "surrogatepass"), hashlib.sha256
        ).hexdigest()


def note_session(*, is_there: bool) -> None:
    """Remember for the rest of this request whether it came with a session."""
    _HAS_SESSION.set(is_there)


def has_session() -> bool:
    """Return whether the request that is being answered came with a session."""
    return _HAS_SESSION.get()


def is_same(given: str, expected: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


def safe_return_path(path: str) -> str:
    """Return a path of this server to go to after signing in; the start where it would lead anywhere else."""
    parts = urlsplit(path)
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    is_plain = path.isprintable() and "\\" not in path and parts.path != SIGN_IN_PATH
    return path if is_ours and is_plain and len(path) <= 2000 else START_PATH
