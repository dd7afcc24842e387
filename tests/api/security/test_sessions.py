"""Signing in with a browser: the cookie proves the token, and nothing leads away from this server."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.api.pages.sign_in import page as sign_in
from app.api.security.sessions import SESSION_COOKIE, Sessions, safe_return_path
from app.config import Settings
from app.core.signed_out import SignedOut
from app.storage.documents import DocumentStore
from app.storage.paths import WorkspacePaths
from tests.api.live import LiveServer, run_server

TOKEN = "correct horse battery"
PAGE = {"accept": "text/html"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that asks for a token."""
    with run_server(Settings(workspace_root=tmp_path_factory.mktemp("workspace"), token=TOKEN)) as live:
        yield live


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/projects/proj-00000001/dataset?class=a%20b&page=2", "/projects/proj-00000001/dataset?class=a%20b&page=2"),
        ("//evil.test/", "/projects"),
        ("/\\evil.test/", "/projects"),
        ("https://evil.test/", "/projects"),
        ("javascript:alert(1)", "/projects"),
        ("/a\r\nset-cookie: x=y", "/projects"),
        ("/sign-in?next=/sign-in", "/projects"),
        ("", "/projects"),
        ("/" + "x" * 3000, "/projects"),
    ],
)
def test_the_way_back_stays_on_this_server(path: str, expected: str) -> None:
    assert safe_return_path(path) == expected


def test_a_session_says_nothing_of_its_token_and_is_never_the_same(tmp_path: Path) -> None:
    sessions = Sessions(TOKEN, SignedOut(DocumentStore(WorkspacePaths(tmp_path))))
    first, second = sessions.begin(), sessions.begin()
    assert TOKEN not in first
    assert first != second
    assert sessions.find(first) is not None
    for made_up in ("", ".", "..", "x", first[:-1], f"{first}.", first.upper(), f"..{first}"):
        assert sessions.find(made_up) is None, made_up


def test_an_ended_session_stays_ended_after_a_restart(tmp_path: Path) -> None:
    documents = DocumentStore(WorkspacePaths(tmp_path))
    sessions = Sessions(TOKEN, SignedOut(documents))
    ended, other = sessions.begin(), sessions.begin()
    sessions.end(ended)
    sessions.end("made up")
    for each in (sessions, Sessions(TOKEN, SignedOut(DocumentStore(documents.paths)))):
        assert each.find(ended) is None
        assert each.find(other) is not None


@pytest.mark.parametrize(
    "content",
    [b"", b"[" * 200_000, b'{"a": ' + b"9" * 400 + b"}", b'{"a": 1e999}', b'{"a": null}', b"[1]", b"\xff", None],
)
def test_sessions_can_be_ended_when_their_list_is_damaged(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "signed_out.json"
    path.write_bytes(content) if content is not None else os.mkfifo(path)
    sessions = Sessions(TOKEN, SignedOut(DocumentStore(WorkspacePaths(tmp_path))))
    ended = sessions.begin()
    sessions.end(ended)
    assert sessions.find(ended) is None
    assert sessions.find(sessions.begin()) is not None


def test_a_browser_signs_in_once_and_goes_on_where_it_was(
    guarded: LiveServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sign_in, "WRONG_TOKEN_DELAY_S", 0.0)
    with caplog.at_level(logging.DEBUG), httpx.Client(base_url=guarded.url, headers=PAGE) as browser:
        asked = browser.get("/docs?x=1")
        assert (asked.status_code, asked.headers["location"]) == (303, "/sign-in?next=/docs%3Fx%3D1")
        page = browser.get(asked.headers["location"])
        assert 'name="next" value="/docs?x=1"' in page.text
        wrong = browser.post("/sign-in", data={"token": "wrong", "next": "/docs?x=1"})
        assert (wrong.status_code, "not correct" in wrong.text) == (401, True)
        assert browser.get("/api/projects").status_code == 401
        right = browser.post("/sign-in", data={"token": TOKEN, "next": "/docs?x=1"})
        assert (right.status_code, right.headers["location"]) == (303, "/docs?x=1")
        cookie = right.headers["set-cookie"]
        assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/", SESSION_COOKIE))
        assert browser.get("/docs?x=1").status_code == 200
        assert browser.get("/api/projects").status_code == 200
        shown = page.text + wrong.text + right.text + cookie
    assert TOKEN not in shown
    ours = [record for record in caplog.records if not record.name.startswith(("httpcore", "httpx"))]
    assert not any(TOKEN in record.getMessage() for record in ours)


def test_signing_out_takes_the_session_of_this_browser_only(guarded: LiveServer) -> None:
    with httpx.Client(base_url=guarded.url, headers=PAGE) as browser, httpx.Client(base_url=guarded.url) as other:
        for client in (browser, other):
            client.post("/sign-in", data={"token": TOKEN})
        assert 'action="/sign-out"' in browser.get("/projects").text
        copied = browser.cookies[SESSION_COOKIE]
        out = browser.post("/sign-out")
        assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
        assert SESSION_COOKIE not in browser.cookies
        assert browser.get("/projects").status_code == 303
        assert httpx.get(f"{guarded.url}/api/projects", cookies={SESSION_COOKIE: copied}).status_code == 401
        assert 'action="/sign-out"' not in browser.get("/sign-in").text
        assert browser.post("/sign-out").status_code == 303
        assert other.get("/api/projects").status_code == 200
        headers = {"authorization": f"Bearer {TOKEN}"}
        assert 'action="/sign-out"' not in browser.get("/projects", headers=headers).text


def test_another_site_cannot_sign_a_browser_out(guarded: LiveServer) -> None:
    headers = {**PAGE, "origin": "http://evil.test", "sec-fetch-site": "cross-site"}
    assert httpx.post(f"{guarded.url}/sign-out", headers=headers).status_code == 403


def test_another_site_cannot_sign_a_browser_in(guarded: LiveServer) -> None:
    headers = {**PAGE, "origin": "http://evil.test", "sec-fetch-site": "cross-site"}
    assert httpx.post(f"{guarded.url}/sign-in", data={"token": TOKEN}, headers=headers).status_code == 403


def test_without_a_token_there_is_nothing_to_ask_for(tmp_path_factory: pytest.TempPathFactory) -> None:
    with run_server(Settings(workspace_root=tmp_path_factory.mktemp("workspace"))) as live:
        for answer in (httpx.get(f"{live.url}/sign-in"), httpx.post(f"{live.url}/sign-in", data={"token": "x"})):
            assert (answer.status_code, answer.headers["location"]) == (303, "/projects")
            assert "set-cookie" not in answer.headers
        assert httpx.post(f"{live.url}/sign-out").headers["location"] == "/projects"
        assert "/sign-out" not in httpx.get(f"{live.url}/projects").text
