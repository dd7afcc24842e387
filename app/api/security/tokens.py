"""Requires the token of the settings from every request, as a bearer token or through the session of a browser.

The token is compared, never logged. A browser without a session is led to the page that asks for it.
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.security.addresses import is_loopback
from app.api.security.refusal import refuse
from app.api.security.sessions import (
    SESSION_COOKIE,
    SESSION_IN_SCOPE,
    SIGN_IN_PATH,
    SIGN_OUT_PATH,
    Sessions,
    is_same,
    note_session,
)
from app.schemas.envelope import ErrorBody

_REFUSED = ErrorBody(
    code="UNAUTHORIZED",
    message=f"A bearer token is required: Authorization: Bearer <token>. A browser signs in at {SIGN_IN_PATH}.",
)
_NO_TOKEN_SET = ErrorBody(
    code="UNAUTHORIZED", message="This server listens beyond its own machine but has no token; set AI_STUDIO_TOKEN."
)
# What the page that asks for the token needs before it has it.
_STATIC_PREFIX = "/static/"


class TokenMiddleware:
    """Without a token set, answers only on loopback addresses, however the server was started."""

    def __init__(self, app: ASGIApp, token: str | None, sessions: Sessions) -> None:
        self._app = app
        self._token = token
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, answer 401, or lead a browser to the page that asks for the token."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif self._token is None:
            if _is_local(scope):
                await self._app(scope, receive, send)
            else:
                await refuse(scope, receive, send, _NO_TOKEN_SET)
        elif self._is_authorized(scope) or _is_open(scope):
            await self._app(scope, receive, send)
        elif _is_page_visit(scope):
            await RedirectResponse(f"{SIGN_IN_PATH}?next={quote(_address_of(scope))}", 303)(scope, receive, send)
        else:
            await refuse(scope, receive, send, _REFUSED)

    def _is_authorized(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        values = headers.getlist("authorization")
        if values:
            scheme, _, given = values[0].partition(" ")
            is_right = self._token is not None and is_same(given.strip(), self._token)
            return len(values) == 1 and scheme.lower() == "bearer" and is_right
        session = self._sessions.find(read_session(headers))
        note_session(is_there=session is not None)
        if session is not None:
            scope[SESSION_IN_SCOPE] = session
        return session is not None


def read_session(headers: Headers) -> str:
    """Return what the cookie of the session holds, empty without one."""
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(SESSION_COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""


def _is_open(scope: Scope) -> bool:
    path = str(scope["path"])
    return scope["type"] == "http" and (path in {SIGN_IN_PATH, SIGN_OUT_PATH} or path.startswith(_STATIC_PREFIX))


def _is_page_visit(scope: Scope) -> bool:
    """Whether somebody opens a page, which is answered with a page; scripts and fragments get the envelope."""
    if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"} or scope["path"].startswith("/api/"):
        return False
    headers = Headers(scope=scope)
    return "text/html" in headers.get("accept", "") and headers.get("hx-request") != "true"


def _address_of(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    return str(scope["path"]) + (f"?{query}" if query else "")


def _is_local(scope: Scope) -> bool:
    server = scope.get("server")
    # A Unix socket has no port, and who reaches it is a matter of file permissions.
    return server is None or server[1] is None or is_loopback(server[0])
