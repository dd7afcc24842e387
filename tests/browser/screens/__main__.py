"""Writes every picture to screens/, in both themes at 1280 and 390 pixels. `-k WORD` takes only some of them."""

from __future__ import annotations

import argparse
import importlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, sync_playwright

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
)
FOLDER = Path(__file__).parents[3] / "screens"


def list_screens() -> list[Screen]:
    """Return the pictures of every noun."""
    modules = [importlib.import_module(f"tests.browser.screens.{noun}") for noun in NOUNS]
    return [screen for module in modules for screen in module.SCREENS]


def take(browser: Browser, scene: Scene, screens: list[Screen], folder: Path) -> Iterator[Path]:
    """Take each picture in each look."""
    for scheme, width in LOOKS:
        for screen in screens:
            context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
            page = context.new_page()
            answer = page.goto(scene.url + screen.path_in(scene))
            if answer is None or answer.status != screen.status:
                msg = f"{screen.path_in(scene)} answered {answer and answer.status}"
                raise RuntimeError(msg)
            if screen.prepare is not None:
                screen.prepare(page)
            page.wait_for_timeout(400)
            path = folder / f"{screen.name}-{scheme}-{width}.png"
            page.screenshot(path=path, full_page=screen.is_full_page)
            context.close()
            yield path


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
            for path in take(browser, scene, screens, FOLDER):
                print(path)
            browser.close()


if __name__ == "__main__":
    main()
