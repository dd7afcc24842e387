"""The bearer token: asked for where it is set, and never shown."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from app.api.security.sessions import SESSION_COOKIE, Sessions
from app.api.security.tokens import TokenMiddleware
from app.config import Settings
from app.core.signed_out import SESSION_AGE_S, SignedOut
from app.storage.documents import DocumentStore
from app.storage.paths import WorkspacePaths
from tests.api.asgi import accepting_app, call_app
from tests.api.live import run_server

TOKEN = "correct horse battery"
FORMS = (TOKEN, quote(TOKEN), quote_plus(TOKEN), quote(quote(TOKEN)))
NEVER_WRITTEN = SignedOut(DocumentStore(WorkspacePaths(Path("nowhere"))))
SESSIONS = Sessions(TOKEN, NEVER_WRITTEN)
GUARD = TokenMiddleware(accepting_app, TOKEN, SESSIONS)
OLD = Sessions(TOKEN, NEVER_WRITTEN, lambda: time.time() - SESSION_AGE_S - 1)
pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \xff\xfe"]
)
async def test_wrong_token_is_refused(value: str) -> None:
    sent = await call_app(GUARD, headers={"authorization": value})
    assert (sent.status, sent.code) == (401, "UNAUTHORIZED")
    assert (b"www-authenticate", b"Bearer") in sent.messages[0]["headers"]


async def test_missing_and_double_token_are_refused() -> None:
    assert (await call_app(GUARD)).status == 401
    both = [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer x")]
    assert (await call_app(GUARD, headers=both)).status == 401


async def test_right_token_passes_whatever_the_case_of_the_scheme() -> None:
    assert (await call_app(GUARD, headers={"authorization": f"bearer {TOKEN}"})).status == 200


@pytest.mark.parametrize(
    ("cookie", "status"),
    [
        (f"{SESSION_COOKIE}={SESSIONS.begin()}", 200),
        (f"a=b; {SESSION_COOKIE}={SESSIONS.begin()}; c=d", 200),
        (f"{SESSION_COOKIE}={Sessions('another token', NEVER_WRITTEN).begin()}", 401),
        (f"{SESSION_COOKIE}={SESSIONS.begin()}0", 401),
        (f"{SESSION_COOKIE}={OLD.begin()}", 401),
        (f"{SESSION_COOKIE}={TOKEN}", 401),
        (f"{SESSION_COOKIE}=", 401),
        ("\xff;=;;", 401),
    ],
)
async def test_session_of_a_browser_is_as_good_as_the_token(cookie: str, status: int) -> None:
    assert (await call_app(GUARD, headers={"cookie": cookie})).status == status
    assert (await call_app(GUARD, headers={"cookie": cookie, "authorization": "Bearer wrong"})).status == 401


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/projects", {"accept": "text/html"}, 303),
        ("/projects", {"accept": "text/html", "hx-request": "true"}, 401),
        ("/projects", {}, 401),
        ("/api/projects", {"accept": "text/html"}, 401),
        ("/sign-in", {}, 200),
        ("/sign-in/x", {}, 401),
        ("/static/css/app.css", {}, 200),
        ("/staticx", {}, 401),
    ],
)
async def test_only_visits_of_pages_are_led_to_the_page_that_asks(
    path: str, headers: dict[str, str], status: int
) -> None:
    assert (await call_app(GUARD, path=path, headers=headers)).status == status


async def test_websocket_needs_it_too() -> None:
    assert (await call_app(GUARD, kind="websocket")).status == 401


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.168.1.5", 401), ("0.0.0.0", 401)])
async def test_without_a_token_only_this_machine_is_served(host: str, status: int) -> None:
    guard = TokenMiddleware(accepting_app, None, Sessions(None, NEVER_WRITTEN))
    assert (await call_app(guard, server=(host, 8000))).status == status


def test_token_is_in_no_log_and_no_answer(
    tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(workspace_root=tmp_path_factory.mktemp("workspace"), token=TOKEN)
    with caplog.at_level(logging.DEBUG), run_server(settings) as live:
        headers = {"authorization": f"Bearer {TOKEN}"}
        allowed = httpx.get(f"{live.url}/projects", headers=headers)
        refused = httpx.get(f"{live.url}/projects")
        addresses = (f"/projects?token={quote(TOKEN)}", f"/api/{quote(quote(TOKEN))}/x", f"/?next={quote_plus(TOKEN)}")
        asked = [httpx.get(live.url + each, headers={"accept": "text/html"}) for each in addresses]
        with pytest.raises(InvalidStatus):
            connect(f"ws://127.0.0.1:{live.port}/ws/projects/x?token={quote(TOKEN)}")
    assert [each.status_code for each in asked] == [303, 303, 303]
    assert not any(secret in str(each.headers) for each in asked for secret in FORMS)
    assert (allowed.status_code, refused.status_code) == (200, 401)
    assert TOKEN not in allowed.text + refused.text
    ours = [record for record in caplog.records if not record.name.startswith(("httpcore", "httpx"))]
    ours = [record for record in ours if not record.name.startswith("websockets.client")]
    printed = capsys.readouterr()
    assert printed.out.count("token-removed") >= 3
    assert not any(secret in printed.out + printed.err for secret in FORMS)
    assert not any(secret in record.getMessage() for record in ours for secret in FORMS)
