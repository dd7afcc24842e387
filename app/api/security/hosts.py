"""Refuses requests that address this server by a foreign name, which is how DNS rebinding reaches it."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.security.addresses import is_loopback, parse_host
from app.api.security.refusal import refuse
from app.schemas.envelope import ErrorBody

_REFUSED = ErrorBody(
    code="FORBIDDEN_ORIGIN",
    message="This host name is not allowed. Add it to AI_STUDIO_ALLOWED_HOSTS.",
)


class HostMiddleware:
    """Passes requests to a loopback name or to one of `names`."""

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, or answer 403."""
        if scope["type"] == "lifespan" or self._is_ours(Headers(scope=scope).getlist("host")):
            await self._app(scope, receive, send)
        else:
            await refuse(scope, receive, send, _REFUSED)

    def _is_ours(self, values: list[str]) -> bool:
        parsed = parse_host(values[0]) if len(values) == 1 else None
        return parsed is not None and (is_loopback(parsed.host) or parsed.host in self._names)
