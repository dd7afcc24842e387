"""Asks every request for the bearer token, where the settings name one. The token is compared, never logged."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.security.addresses import is_loopback
from app.api.security.refusal import refuse
from app.schemas.envelope import ErrorBody

_REFUSED = ErrorBody(code="UNAUTHORIZED", message="A bearer token is needed: Authorization: Bearer <token>.")
_NO_TOKEN_SET = ErrorBody(
    code="UNAUTHORIZED", message="This server listens beyond its own machine but has no token; set AI_STUDIO_TOKEN."
)


class TokenMiddleware:
    """Without a token set, answers only on loopback addresses, however the server was started."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token.encode() if token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, or answer 401."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif self._token is None:
            if _is_local(scope):
                await self._app(scope, receive, send)
            else:
                await refuse(scope, receive, send, _NO_TOKEN_SET)
        elif self._is_authorized(Headers(scope=scope).getlist("authorization")):
            await self._app(scope, receive, send)
        else:
            await refuse(scope, receive, send, _REFUSED)

    def _is_authorized(self, values: list[str]) -> bool:
        if self._token is None or len(values) != 1:
            return False
        scheme, _, given = values[0].partition(" ")
        is_equal = hmac.compare_digest(given.strip().encode("latin-1"), self._token)
        return scheme.lower() == "bearer" and is_equal


def _is_local(scope: Scope) -> bool:
    server = scope.get("server")
    # A Unix socket has no port, and who reaches it is a matter of file permissions.
    return server is None or server[1] is None or is_loopback(server[0])
