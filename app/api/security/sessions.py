"""The session of a browser that was shown the token once. The cookie proves it and does not hold it."""

from __future__ import annotations

import hashlib
import hmac
from contextvars import ContextVar
from urllib.parse import urlsplit

SESSION_COOKIE = "ai_studio_session"
SESSION_AGE_S = 30 * 24 * 3600
SIGN_IN_PATH = "/sign-in"
SIGN_OUT_PATH = "/sign-out"
START_PATH = "/projects"
# Whether the request that is being answered came with a session; pages offer to end it.
_HAS_SESSION: ContextVar[bool] = ContextVar("has_session", default=False)


def session_of(token: str) -> str:
    """Return what the cookie holds for this token: another token, another session. Hexadecimal, 64 characters."""
    return hmac.new(token.encode(), b"session of a browser", hashlib.sha256).hexdigest()


def note_session(*, is_there: bool) -> None:
    """Remember for the rest of this request whether it came with a session."""
    _HAS_SESSION.set(is_there)


def has_session() -> bool:
    """Return whether the request that is being answered came with a session."""
    return _HAS_SESSION.get()


def is_same(given: str, expected: str) -> bool:
    """Compare two secrets in a time that says nothing about either."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


def safe_return_path(path: str) -> str:
    """Return a path of this server to go to after signing in; the start where it would lead anywhere else."""
    parts = urlsplit(path)
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    is_plain = path.isprintable() and "\\" not in path and parts.path != SIGN_IN_PATH
    return path if is_ours and is_plain and len(path) <= 2000 else START_PATH
