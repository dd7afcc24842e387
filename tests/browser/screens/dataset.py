"""Pictures of the dataset page."""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from tests.browser.screens.screen import Screen


def _open_import(page: Page) -> None:
    page.get_by_role("button", name="Import images").click()


def _look_at_folder(page: Page) -> None:
    root = Path(tempfile.mkdtemp())
    for index, name in enumerate(("bolt", "nut", "washer")):
        (root / name).mkdir()
        for number in range(4):
            Image.new("RGB", (64, 48), (60 * index, 90, 40 * number)).save(root / name / f"{number}.png")
    (root / "nut" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\ntorn")
    (root / "loose.png").write_bytes((root / "nut" / "1.png").read_bytes())
    _open_import(page)
    page.get_by_text("Folder on the server").click()
    page.get_by_label("Path of a folder").fill(str(root))
    page.get_by_role("button", name="Look at the images").click()
    page.get_by_text("12 images can be imported").wait_for()
    page.get_by_text("Rename, merge or leave out classes").click()


def _look_for_long(page: Page) -> None:
    root = Path(tempfile.mkdtemp(prefix="endless"))
    _open_import(page)
    page.get_by_text("Folder on the server").click()
    page.get_by_label("Path of a folder").fill(str(root))
    page.get_by_role("button", name="Look at the images").click()
    page.locator("#check-progress").wait_for()


def _open_first(page: Page) -> None:
    page.locator("a.tile").first.click()
    page.locator("#image-detail h3").wait_for()


def _ask_to_clear(page: Page) -> None:
    page.get_by_role("button", name="Clear dataset").click()
    page.get_by_text("This goes").wait_for()


SCREENS = (
    Screen("dataset-leaks", "/projects/{leaky_id}/dataset"),
    Screen("dataset-empty", "/projects/{empty_id}/dataset"),
    Screen("dataset", "/projects/{project_id}/dataset"),
    Screen("dataset-list", "/projects/{project_id}/dataset?view=list&split=main&subset=val"),
    Screen("dataset-nothing", "/projects/{project_id}/dataset?class=3&search=zebra", is_full_page=False),
    Screen("dataset-import", "/projects/{empty_id}/dataset", _open_import, is_full_page=False),
    Screen("dataset-report", "/projects/{empty_id}/dataset", _look_at_folder, is_full_page=False),
    Screen(
        "dataset-check", "/projects/{import_failed_id}/dataset", _look_for_long, is_full_page=False, server="states"
    ),
    Screen("dataset-image", "/projects/{project_id}/dataset", _open_first, is_full_page=False),
    Screen("dataset-clear", "/projects/{project_id}/dataset", _ask_to_clear, is_full_page=False),
    Screen("dataset-importing", "/projects/{importing_id}/dataset", server="states"),
    Screen("dataset-import-failed", "/projects/{import_failed_id}/dataset", server="states"),
)
