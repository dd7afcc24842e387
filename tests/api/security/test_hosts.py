"""Foreign host names are refused, over HTTP and before a WebSocket is accepted."""

from __future__ import annotations

import pytest

from app.api.security.hosts import HostMiddleware
from tests.api.asgi import accepting_app, call_app

GUARD = HostMiddleware(accepting_app, frozenset({"studio.example"}))
pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:9", "studio.example", "STUDIO.example:1"])
async def test_own_names_pass(host: str) -> None:
    assert (await call_app(GUARD, headers={"host": host})).status == 200


@pytest.mark.parametrize("host", ["evil.test", "localhost.evil.test", "evil.test:127", "", "a@localhost", "\xff\xfe"])
async def test_foreign_names_are_refused(host: str) -> None:
    sent = await call_app(GUARD, headers={"host": host})
    assert (sent.status, sent.code) == (403, "FORBIDDEN_ORIGIN")


async def test_missing_and_double_host_are_refused() -> None:
    assert (await call_app(GUARD, headers={})).status == 403
    assert (await call_app(GUARD, headers=[("host", "localhost"), ("host", "evil.test")])).status == 403


async def test_websocket_is_denied_with_an_answer() -> None:
    sent = await call_app(GUARD, kind="websocket", headers={"host": "evil.test"})
    assert [message["type"] for message in sent.messages] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert sent.status == 403


async def test_websocket_is_closed_where_the_server_cannot_answer() -> None:
    sent = await call_app(GUARD, kind="websocket", headers={"host": "evil.test"}, extensions=())
    assert sent.messages[0]["type"] == "websocket.close"
    assert sent.messages[0]["code"] == 1008
