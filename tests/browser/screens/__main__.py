"""Writes every picture to screens/, in both themes at 1280 and 390 pixels. `-k WORD,WORD` takes only some of them."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from app.config import Settings
from app.core.studio import Studio
from tests.api.live import LiveServer, run_server
from tests.browser.conftest import ARGUMENTS, find_chromium
from tests.browser.screens import engines
from tests.browser.screens.scene import build_trained, create_empty
from tests.browser.screens.screen import TOKEN, Scene, Screen, ServerName
from tests.browser.screens.states import build_states

NOUNS = (
    "projects",
    "dataset",
    "split",
    "training",
    "training_results",
    "evaluation",
    "export",
    "compare",
    "playground",
    "around",
)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (1280, 390)
# Two columns beside each other: the narrowest window that still shows both.
WITH_1024 = ("training", "evaluation")
SETTLE_MS = 200
# Images below the window are loaded when they are scrolled to; the picture of a whole page shows them all.
LOAD_IMAGES = """() => Promise.all([...document.images].map(image => {
  image.loading = "eager";
  return image.complete || new Promise(resolve => { image.onload = image.onerror = resolve; });
}))"""
FOLDER = Path(__file__).parents[3] / "screens"


def list_screens() -> list[Screen]:
    """Return the pictures of every noun."""
    modules = [importlib.import_module(f"tests.browser.screens.{noun}") for noun in NOUNS]
    return [screen for module in modules for screen in module.SCREENS]


def open_screen(page: Page, scene: Scene, screen: Screen) -> None:
    """Bring the page into the state of the screen."""
    answer = page.goto(screen.url_in(scene))
    if answer is None or answer.status != screen.status:
        msg = f"{screen.url_in(scene)} answered {answer and answer.status}"
        raise RuntimeError(msg)
    if screen.prepare is not None:
        screen.prepare(page)


def find_overflow(page: Page) -> str:
    """Return what is wrong with a page that is wider than its window, "" when it is not."""
    extent = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return f"{extent} pixels wider than the window" if extent > 0 else ""


def choose_widths(scheme: str, screen: Screen) -> list[int]:
    """Return how wide the window is for each picture, widest first."""
    has_1024 = scheme == "light" and screen.name.startswith(WITH_1024)
    return sorted({*WIDTHS, 1024} if has_1024 else WIDTHS, reverse=True)


def take_screen(
    context: BrowserContext, scene: Scene, screen: Screen, scheme: str, folder: Path
) -> Iterator[tuple[Path, str]]:
    """Take a screen in each width. Yield each path and what is wrong with it, "" if nothing is."""
    page, failure = context.new_page(), ""
    for number, width in enumerate(choose_widths(scheme, screen)):
        path = folder / f"{screen.name}-{scheme}-{width}.png"
        path.unlink(missing_ok=True)
        reason = failure
        try:
            page.set_viewport_size({"width": width, "height": screen.height})
            if number == 0:
                open_screen(page, scene, screen)
            if screen.is_full_page:
                page.evaluate(LOAD_IMAGES)
            page.wait_for_timeout(SETTLE_MS)
            if not failure:
                page.screenshot(path=path, full_page=screen.is_full_page)
                reason = find_overflow(page)
        except (PlaywrightError, RuntimeError, AssertionError) as error:
            reason = failure = str(error).strip().splitlines()[0]
        yield path, reason
    page.close()


def take(browser: Browser, scene: Scene, screens: list[Screen], folder: Path) -> Iterator[tuple[Path, str]]:
    """Take every screen in both themes; those that keep something in their browser have one of their own."""
    for scheme in SCHEMES:
        shared = browser.new_context(color_scheme=scheme)
        for screen in screens:
            context = browser.new_context(color_scheme=scheme) if screen.has_own_browser else shared
            yield from take_screen(context, scene, screen, scheme, folder)
            if context is not shared:
                context.close()
        shared.close()


@contextmanager
def run_scene(wanted: set[ServerName]) -> Iterator[Scene]:
    """Run the servers that are wanted, with all that pictures are taken of."""
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)

        def run(name: ServerName, **settings: str) -> LiveServer:
            given = Settings(workspace_root=folder / f"workspace-{name}", **settings)  # type: ignore[arg-type]
            arguments = engines.ARGUMENTS if name == "states" else ()
            return stack.enter_context(run_server(given, lambda settings: Studio(settings, arguments)))

        servers = {name: run(name) for name in wanted - {"guarded"}}
        if "guarded" in wanted:
            servers["guarded"] = run("guarded", token=TOKEN)
        ids = build_trained(servers["studio"].url, folder) if "studio" in wanted else {}
        if "guarded" in wanted:
            ids["guarded_id"] = create_empty(servers["guarded"].studio)
        if "states" in wanted:
            ids |= build_states(servers["states"], folder)
        yield Scene({name: server.url for name, server in servers.items()}, ids)


def main() -> None:
    """Make the scene, take the pictures, say where they are."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-k", default="", help="only pictures with one of these in their name")
    wanted = parser.parse_args().k
    os.environ.setdefault("AI_STUDIO_WARM_SPARE", "0")
    logging.disable(logging.ERROR)
    screens = [screen for screen in list_screens() if any(part in screen.name for part in wanted.split(","))]
    FOLDER.mkdir(exist_ok=True)
    failed = 0
    with run_scene({screen.server for screen in screens}) as scene, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        for path, reason in take(browser, scene, screens, FOLDER):
            print(path, f": {reason}" if reason else "", flush=True)
            failed += bool(reason)
        browser.close()
    if failed:
        raise SystemExit(f"{failed} pictures could not be taken or show a page that is too wide.")


if __name__ == "__main__":
    main()
