"""Chromium, and a page that notes everything that a user would be right to complain about."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, Response, Route, sync_playwright

from app.config import Settings
from tests.api.live import LiveServer, run_server
from tests.browser import axe

REQUEST_S = 60.0  # for a server on a busy machine
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP evil.test 127.0.0.1",
)


@dataclass
class Watched:
    """A page and what went wrong on it."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    overlooked: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def wait_for(self, expression: str, timeout_s: float = 15.0) -> None:
        """Wait until an expression is true on the page; wait_for_function needs eval, which the policy forbids."""
        wait_for(self.page, expression, timeout_s)

    def forgive(self, *parts: str) -> None:
        """Take back complaints that hold one of these; each must have been there."""
        for part in parts:
            assert any(part in complaint for complaint in self.complaints), (part, self.complaints)
        self._take_back(parts)

    def overlook(self, *parts: str) -> None:
        """Take back complaints that hold one of these, those to come too: for what may happen and may not."""
        self._take_back(parts)
        self.overlooked += parts

    def open(self, path: str) -> None:
        """Go to a path of the server."""
        answer = self.page.goto(self.url + path)
        assert answer is not None
        assert answer.status == 200

    def watch(self) -> None:
        """Note errors of scripts and policy, failed requests, and requests to anywhere else."""
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self._complain(f"error: {error}"))
        self.page.on("dialog", self._note_dialog)
        self.page.on("request", self._note_request)
        self.page.on("response", self._note_response)

    def _take_back(self, parts: Sequence[str]) -> None:
        self.complaints[:] = [item for item in self.complaints if not any(part in item for part in parts)]

    def _complain(self, text: str) -> None:
        if not any(part in text for part in self.overlooked):
            self.complaints.append(text)

    def _note_dialog(self, dialog: Dialog) -> None:
        self._complain(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._complain(f"console: {message.text} at {message.location['url']}")

    def _note_request(self, request: Request) -> None:
        self.requests.append(request.url)
        if not request.url.removeprefix("blob:").startswith(self.url):
            self._complain(f"another host: {request.url}")

    def _note_response(self, response: Response) -> None:
        if response.status >= 400:
            self._complain(f"{response.status}: {response.url}")


def wait_for(page: Page, expression: str, timeout_s: float = 15.0) -> None:
    """Wait until an expression is true on a page."""
    deadline = time.monotonic() + timeout_s
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {expression}"
        page.wait_for_timeout(50)


def take_route(page: Page, held: list[Route], number: int = 1, timeout_s: float = 15.0) -> Route:
    """Return the request of this number once its handler has it; the page announces a request before that."""
    deadline = time.monotonic() + timeout_s
    while len(held) < number:
        assert time.monotonic() < deadline, f"{len(held)} of {number} requests within {timeout_s} s"
        page.wait_for_timeout(20)
    return held[number - 1]


def find_chromium() -> str | None:
    """Return the path of a browser, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A headless Chromium; skips without one unless REQUIRE_BROWSER=1."""
    path = find_chromium()
    if path is None:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("REQUIRE_BROWSER=1 and no Chromium is installed")
        pytest.skip("no Chromium is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the real services and an empty workspace."""
    with run_server(Settings(workspace_root=tmp_path_factory.mktemp("workspace"))) as live:
        yield live


@pytest.fixture
def add_project(server: LiveServer) -> Iterator[list[str]]:
    """Two projects, one with markup in its description; removed afterwards."""
    task = httpx.get(f"{server.url}/api/tasks", timeout=REQUEST_S).json()["data"]["tasks"][0]["id"]
    added = []
    for name, description in (("Plain", None), ("Tricky", '"><script>alert(1)</script><img src=x onerror=alert(2)>')):
        body = {"name": name, "task": task, "description": description}
        made = httpx.post(f"{server.url}/api/projects", json=body, timeout=REQUEST_S)
        added.append(made.json()["data"]["id"])
    yield added
    for identifier in added:
        httpx.delete(f"{server.url}/api/projects/{identifier}", timeout=REQUEST_S)


@pytest.fixture
def check_axe() -> Callable[..., None]:
    """Asserts that axe finds nothing: `check_axe(page)`, or `check_axe(page, "#dialog")` for a part."""
    return axe.check_axe


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Function) -> Generator[None]:
    """Close the page with the end of its test: a project that a fixture takes away may not be missed by it."""
    try:
        return (yield)
    finally:
        watched = item.funcargs.get("watched")
        if isinstance(watched, Watched):
            watched.page.close()


@pytest.fixture(
    params=[
        pytest.param(("light", 1280), id="light-1280"),
        pytest.param(("dark", 390), id="dark-390", marks=pytest.mark.slow),
    ]
)
def watched(request: pytest.FixtureRequest, browser: Browser, server: LiveServer) -> Iterator[Watched]:
    """A page in two looks; a test fails when the page gave a reason to complain."""
    scheme, width = request.param
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    watched = Watched(context.new_page(), server.url)
    watched.watch()
    yield watched
    context.close()
    assert watched.complaints == []


@pytest.fixture
def tabs(browser: Browser, server: LiveServer) -> Iterator[Callable[[], Watched]]:
    """Opens one more tab; a test fails when one of them gave a reason to complain."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened: list[Watched] = []

    def open_tab() -> Watched:
        opened.append(Watched(context.new_page(), server.url))
        opened[-1].watch()
        return opened[-1]

    yield open_tab
    context.close()
    assert [complaint for tab in opened for complaint in tab.complaints] == []
