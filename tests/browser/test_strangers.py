"""Another site in the visitor's browser reaches nothing: by a rebound name, by a form, by fetch, by a WebSocket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.api.live import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ATTACK = """async target => {
  const results = {};
  const attempt = async (name, action) => {
    try { results[name] = await action(); } catch (error) { results[name] = "refused"; }
  };
  const body = JSON.stringify({name: "Stolen", task: "x"});
  await attempt("read", async () => (await fetch(target + "/api/projects")).status);
  await attempt("post", async () => (await fetch(target + "/api/projects", {
    method: "POST", body, headers: {"content-type": "application/json"}})).status);
  await attempt("blind", async () => (await fetch(target + "/api/projects", {
    method: "POST", body, mode: "no-cors", headers: {"content-type": "text/plain"}})).type);
  await attempt("socket", () => new Promise((resolve, reject) => {
    const socket = new WebSocket(target.replace("http", "ws") + "/ws/projects/proj-00000000");
    socket.onopen = () => resolve("open");
    socket.onerror = () => reject(new Error("closed"));
  }));
  return results;
}"""


class ForeignPage(BaseHTTPRequestHandler):
    """An empty page of another site."""

    def do_GET(self) -> None:
        """Answer with the page."""
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Elsewhere</title>")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""


@pytest.fixture(scope="module")
def foreign_port() -> Iterator[int]:
    """Port of a site that is not ours."""
    with ThreadingHTTPServer(("127.0.0.1", 0), ForeignPage) as site:
        thread = threading.Thread(target=site.serve_forever, daemon=True)
        thread.start()
        yield site.server_address[1]
        site.shutdown()
        thread.join(10)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of its own."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "evil.test"])
def test_foreign_page_reads_and_changes_nothing(page: Page, server: LiveServer, foreign_port: int, host: str) -> None:
    answer = page.goto(f"http://{host}:{foreign_port}/")
    assert answer is not None
    assert answer.status == 200
    results = page.evaluate(ATTACK, server.url)
    # A blind request leaves the browser, or not; either way its sender learns nothing and nothing happens here.
    assert results.pop("blind") in {"opaque", "refused"}
    assert results == {"read": "refused", "post": "refused", "socket": "refused"}
    assert httpx.get(f"{server.url}/api/projects").json()["data"]["projects"] == []


def test_rebound_name_gets_no_page(page: Page, server: LiveServer) -> None:
    answer = page.goto(f"http://evil.test:{server.port}/projects")
    assert answer is not None
    assert answer.status == 403
    assert answer.json()["error"]["code"] == "FORBIDDEN_ORIGIN"


def test_our_own_page_may_do_both(page: Page, server: LiveServer) -> None:
    page.goto(f"{server.url}/projects")
    results = page.evaluate(ATTACK, server.url)
    # The task does not exist and a text is no JSON: both are answered, by validation and not by the guard.
    assert (results["read"], results["post"], results["blind"]) == (200, 422, "basic")


def test_no_page_can_frame_ours(page: Page, server: LiveServer, foreign_port: int) -> None:
    page.goto(f"http://evil.test:{foreign_port}/")
    page.evaluate(
        """target => new Promise(resolve => { const frame = document.createElement("iframe");
        frame.onload = resolve; frame.src = target; document.body.append(frame); })""",
        f"{server.url}/projects",
    )
    frames = [frame for frame in page.frames if frame is not page.main_frame]
    assert len(frames) == 1
    assert not frames[0].url.startswith(server.url)
