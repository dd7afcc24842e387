"""What another site sends from a visitor's browser changes nothing."""

from __future__ import annotations

import pytest

from app.api.security.origins import OriginMiddleware
from tests.api.asgi import accepting_app, call_app

GUARD = OriginMiddleware(accepting_app)
HOST = ("host", "localhost:8000")
pytestmark = pytest.mark.anyio
REFUSED = [
    [("origin", "null")],
    [("origin", "")],
    [("origin", "http://evil.test")],
    [("origin", "http://localhost:3000")],
    [("origin", "http://localhost")],
    [("origin", "http://localhost:8000.evil.test")],
    [("origin", "http://localhost:8000"), ("origin", "http://evil.test")],
    [("origin", "http://[::1")],
    [("origin", "http://localhost:8000"), ("sec-fetch-site", "cross-site")],
    [("sec-fetch-site", "cross-site")],
    [("sec-fetch-site", "same-site")],
    [("sec-fetch-site", "nonsense")],
]
ACCEPTED = [
    [],
    [("origin", "http://localhost:8000")],
    [("origin", "http://localhost:8000"), ("sec-fetch-site", "same-origin")],
    [("sec-fetch-site", "none")],
]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "ANYTHING"])
@pytest.mark.parametrize("headers", REFUSED)
async def test_foreign_change_is_refused(method: str, headers: list[tuple[str, str]]) -> None:
    sent = await call_app(GUARD, method=method, headers=[HOST, *headers])
    assert (sent.status, sent.code) == (403, "FORBIDDEN_ORIGIN")


@pytest.mark.parametrize("headers", REFUSED)
async def test_foreign_websocket_is_refused_before_accept(headers: list[tuple[str, str]]) -> None:
    sent = await call_app(GUARD, kind="websocket", headers=[HOST, *headers])
    assert sent.messages[0]["type"] == "websocket.http.response.start"
    assert sent.status == 403


@pytest.mark.parametrize("headers", ACCEPTED)
async def test_own_pages_and_scripts_pass(headers: list[tuple[str, str]]) -> None:
    assert (await call_app(GUARD, method="POST", headers=[HOST, *headers])).status == 200


@pytest.mark.parametrize("headers", REFUSED)
async def test_reading_is_left_to_the_browser(headers: list[tuple[str, str]]) -> None:
    assert (await call_app(GUARD, method="GET", headers=[HOST, *headers])).status == 200


async def test_proxy_that_keeps_the_host_may_end_tls() -> None:
    headers = [("host", "studio.example"), ("origin", "https://studio.example")]
    assert (await call_app(GUARD, method="POST", headers=headers)).status == 200
