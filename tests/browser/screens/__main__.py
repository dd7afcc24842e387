"""Writes every picture to screens/, in both themes at 1280 and 390 pixels. `-k WORD` takes only some of them."""

from __future__ import annotations

import argparse
import importlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from app.config import Settings
from tests.api.live import run_server
from tests.browser.conftest import ARGUMENTS, find_chromium
from tests.browser.screens.scene import build_scene
from tests.browser.screens.screen import Scene, Screen

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
)
LOOKS: tuple[tuple[Literal["light", "dark"], int], ...] = (
    ("light", 1280),
    ("dark", 1280),
    ("light", 390),
    ("dark", 390),
    ("light", 1024),
)
# Two columns beside each other: the narrowest window that still shows both.
LOOKS_AT_1024 = ("training", "evaluation")
FOLDER = Path(__file__).parents[3] / "screens"


def list_screens() -> list[Screen]:
    """Return the pictures of every noun."""
    modules = [importlib.import_module(f"tests.browser.screens.{noun}") for noun in NOUNS]
    return [screen for module in modules for screen in module.SCREENS]


def take_one(page: Page, scene: Scene, screen: Screen, path: Path) -> None:
    """Bring the page into the state of the screen and take its picture."""
    answer = page.goto(scene.url + screen.path_in(scene))
    if answer is None or answer.status != screen.status:
        msg = f"{screen.path_in(scene)} answered {answer and answer.status}"
        raise RuntimeError(msg)
    if screen.prepare is not None:
        screen.prepare(page)
    page.wait_for_timeout(400)
    page.screenshot(path=path, full_page=screen.is_full_page)


def take(browser: Browser, scene: Scene, screens: list[Screen], folder: Path) -> Iterator[tuple[Path, str]]:
    """Take each picture in each look. Yield its path and why it could not be taken, "" if it was."""
    for scheme, width in LOOKS:
        for screen in screens:
            if width == 1024 and not screen.name.startswith(LOOKS_AT_1024):
                continue
            path = folder / f"{screen.name}-{scheme}-{width}.png"
            context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
            reason = ""
            try:
                take_one(context.new_page(), scene, screen, path)
            except (PlaywrightError, RuntimeError, AssertionError) as error:
                reason = str(error).strip().splitlines()[0]
            context.close()
            yield path, reason


def main() -> None:
    """Make the scene, take the pictures, say where they are."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-k", default="", help="only pictures with this in their name")
    wanted = parser.parse_args().k
    os.environ.setdefault("AI_STUDIO_WARM_SPARE", "0")
    screens = [screen for screen in list_screens() if wanted in screen.name]
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        settings = Settings(workspace_root=Path(temporary) / "workspace")
        with run_server(settings) as live, sync_playwright() as playwright:
            scene = build_scene(live.url, Path(temporary))
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
            failed = 0
            for path, reason in take(browser, scene, screens, FOLDER):
                print(path, f"not taken: {reason}" if reason else "", flush=True)
                failed += bool(reason)
            browser.close()
    if failed:
        raise SystemExit(f"{failed} pictures could not be taken.")


if __name__ == "__main__":
    main()
