"""Removes the token from request addresses, which end up in logs, pages and redirects.

The token is never accepted in an address. Whoever tries leaves it in the browser's history; it must not be here too.
"""

from __future__ import annotations

from urllib.parse import unquote, unquote_plus

from starlette.types import ASGIApp, Receive, Scope, Send

REMOVED = "token-removed"


class SecretAddressMiddleware:
    """Changes the scope in place, because the server writes its access log from it."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on with an address that does not hold the token."""
        if self._token is not None and scope["type"] != "lifespan":
            _scrub(scope, self._token)
        await self._app(scope, receive, send)


def _scrub(scope: Scope, token: str) -> None:
    query = scope.get("query_string", b"").decode("latin-1")
    if _holds(query, token):
        scope["query_string"] = REMOVED.encode()
    if token in str(scope.get("method", "")):
        scope["method"] = REMOVED
    path = str(scope["path"])
    if _holds(path, token):
        scope["path"] = f"/{REMOVED}"
        scope["raw_path"] = scope["path"].encode()


def _holds(text: str, token: str) -> bool:
    """Whether a text contains the token, plain or percent-encoded up to twice, as in the address of a redirect."""
    decoded = {text, unquote(text), unquote_plus(text), unquote(unquote_plus(text))}
    return any(token in each for each in decoded)
