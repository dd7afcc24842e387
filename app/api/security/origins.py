"""Refuses requests that another site sent from a visitor's browser. A local script sends no Origin and passes."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.security.addresses import origin_scheme_port, parse_host, parse_origin
from app.api.security.refusal import refuse
from app.schemas.envelope import ErrorBody

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_REFUSED = ErrorBody(code="FORBIDDEN_ORIGIN", message="Requests from other sites are not accepted.")


class OriginMiddleware:
    """Guards every method that changes anything, and every WebSocket before it is accepted."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, or answer 403."""
        is_harmless = scope["type"] == "lifespan" or (scope["type"] == "http" and scope["method"] in SAFE_METHODS)
        if is_harmless or is_same_origin(Headers(scope=scope)):
            await self._app(scope, receive, send)
        else:
            await refuse(scope, receive, send, _REFUSED)


def is_same_origin(headers: Headers) -> bool:
    """Whether the headers come from our own pages or from no browser at all."""
    sites = headers.getlist("sec-fetch-site")
    if any(site not in {"same-origin", "none"} for site in sites):
        return False
    origins = headers.getlist("origin")
    if not origins:
        return True
    origin = parse_origin(origins[0]) if len(origins) == 1 else None
    host = parse_host(headers.get("host", ""))
    if origin is None or host is None:
        return False
    return origin.host == host.host and origin.port == (host.port or origin_scheme_port(origins[0]))
