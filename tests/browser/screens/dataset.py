"""Pictures of the dataset page."""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

from tests.browser.screens.screen import Screen


def _open_import(page: Page) -> None:
    page.get_by_role("button", name="Import images").click()


def _draw_classes(root: Path, number: int = 7) -> Path:
    for index, name in enumerate(("Mutter Größe 8", "bolt", "washer")):
        (root / name).mkdir(parents=True)
        for step in range(number):
            image = Image.new("RGB", (64, 48), (60 * index, 90, 20 * step))
            ImageDraw.Draw(image).ellipse((10 + step, 8, 40 + step, 38), fill=(230, 200 - 60 * index, 40))
            image.save(root / name / f"{step}.png")
    return root


def _check(page: Page, root: Path) -> None:
    _open_import(page)
    page.get_by_text("Folder on the server").click()
    page.get_by_label("Path of a folder").fill(str(root))
    page.get_by_role("button", name="Preview import").click()
    page.locator("#import-report > .notice").wait_for()


def _check_good(page: Page) -> None:
    _check(page, _draw_classes(Path(tempfile.mkdtemp())))


def _check_some_lost(page: Page) -> None:
    root = _draw_classes(Path(tempfile.mkdtemp()))
    (root / "bolt" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\ntorn")
    (root / "loose.png").write_bytes((root / "bolt" / "1.png").read_bytes())
    _check(page, root)
    page.get_by_text("Rename, merge or leave out classes").click()


def _check_most_lost(page: Page) -> None:
    root = Path(tempfile.mkdtemp())
    _draw_classes(root / "bolt" / "2024", 9)
    for name in ("bolt", "nut"):
        (root / name).mkdir(exist_ok=True)
        Image.new("RGB", (40, 40)).save(root / name / "only.png")
    _check(page, root)
    page.locator("[data-add-options]").first.wait_for()


def _mend(page: Page) -> None:
    _check_most_lost(page)
    page.get_by_role("button", name="Add them to the class").click()
    page.locator(".option-changes").wait_for()


def _check_table(page: Page) -> None:
    root = Path(tempfile.mkdtemp())
    for number in range(12):
        Image.new("RGB", (48, 48), (20 * number, 80, 120)).save(root / f"{number}.png")
    rows = [
        f"{number}.png;{'rot' if number % 2 else 'grün'};{'train' if number < 9 else 'test'}" for number in range(12)
    ]
    (root / "Tabelle 100 %.csv").write_text("Datei;Farbe in %;Teil\n" + "\n".join(rows), "utf-8")
    (root / "old.csv").write_text("file,label\n0.png,x\n1.png,y\n")
    _check(page, root)
    page.get_by_role("button", name="Read Tabelle 100 %.csv").click()
    page.locator(".option-changes").wait_for()
    page.locator("summary", has_text="Annotation file and columns").click()
    page.locator("#report-choices").scroll_into_view_if_needed()


def _check_documents(page: Page) -> None:
    root = _draw_classes(Path(tempfile.mkdtemp())) / "bolt"
    rows = [f"{number}.png;{number},5;{'blau' if number % 2 else 'grün'};x" for number in range(7)]
    (root / "Tabelle 1.csv").write_text("\n".join(["Datei Name;Größe in %;Farbe;Notiz", *rows]), "utf-8")
    (root / "Tabelle 2.csv").write_text("file;label\n0.png;a\n", "utf-8")
    _check(page, root)
    page.get_by_role("button", name="Choose file and columns").first.click()


def _check_every_problem(page: Page) -> None:
    _check(page, _draw_classes(Path(tempfile.mkdtemp())))
    page.locator(".problem-group").first.wait_for()


def _upload(page: Page) -> None:
    root = Path(tempfile.mkdtemp()) / "screws"
    root.mkdir()
    for number in range(6):
        (root / f"{number}.png").write_bytes(b"\0" * 500_000)
    # Slow enough to be seen on its way; it ends with the page.
    network = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 100_000}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", network)
    _open_import(page)
    page.locator("[data-upload-folder]").set_input_files(root)
    expect(page.locator("[data-upload-text]")).to_contain_text("left")


def _upload_behind(page: Page) -> None:
    _upload(page)
    page.keyboard.press("Escape")
    expect(page.locator("#upload-strip")).to_be_visible()


def _browse_folders(page: Page) -> None:
    _open_import(page)
    page.get_by_text("Folder on the server").click()
    page.get_by_label("Path of a folder").fill(str(Path.cwd() / "tests"))
    page.get_by_role("button", name="Browse folders").click()
    page.locator("[data-folder-summary]").wait_for()


def _look_for_long(page: Page) -> None:
    root = Path(tempfile.mkdtemp(prefix="endless"))
    _open_import(page)
    page.get_by_text("Folder on the server").click()
    page.get_by_label("Path of a folder").fill(str(root))
    page.get_by_role("button", name="Preview import").click()
    page.locator("#check-progress").wait_for()


def _open_first(page: Page) -> None:
    page.locator("a.tile").first.click()
    page.locator("#image-detail h3").wait_for()


def _ask_to_clear(page: Page) -> None:
    page.get_by_role("button", name="Clear dataset").click()
    page.get_by_text("This permanently deletes").wait_for()


SCREENS = (
    Screen("dataset-leaks", "/projects/{leaky_id}/dataset"),
    Screen("dataset-empty", "/projects/{empty_id}/dataset"),
    Screen("dataset", "/projects/{project_id}/dataset"),
    Screen("dataset-list", "/projects/{project_id}/dataset?view=list&split=main&subset=val"),
    Screen("dataset-nothing", "/projects/{project_id}/dataset?class=3&search=zebra", is_full_page=False),
    Screen("dataset-import", "/projects/{empty_id}/dataset", _open_import, is_full_page=False),
    Screen("dataset-report-good", "/projects/{empty_id}/dataset", _check_good, is_full_page=False),
    Screen("dataset-report-some", "/projects/{empty_id}/dataset", _check_some_lost, is_full_page=False),
    Screen("dataset-report-most", "/projects/{empty_id}/dataset", _check_most_lost, is_full_page=False),
    Screen("dataset-report-mended", "/projects/{empty_id}/dataset", _mend, is_full_page=False),
    Screen("dataset-report-columns", "/projects/{empty_id}/dataset", _check_table, is_full_page=False),
    Screen(
        "dataset-report-documents",
        "/projects/{import_failed_id}/dataset",
        _check_documents,
        is_full_page=False,
        server="states",
    ),
    Screen(
        "dataset-report-problems",
        "/projects/{problems_id}/dataset",
        _check_every_problem,
        is_full_page=False,
        height=3600,
        server="states",
    ),
    Screen("dataset-upload", "/projects/{empty_id}/dataset", _upload, is_full_page=False),
    Screen("dataset-upload-behind", "/projects/{empty_id}/dataset", _upload_behind, is_full_page=False),
    Screen("dataset-folders", "/projects/{empty_id}/dataset", _browse_folders, is_full_page=False),
    Screen(
        "dataset-check", "/projects/{import_failed_id}/dataset", _look_for_long, is_full_page=False, server="states"
    ),
    Screen("dataset-image", "/projects/{project_id}/dataset", _open_first, is_full_page=False),
    Screen("dataset-clear", "/projects/{project_id}/dataset", _ask_to_clear, is_full_page=False),
    Screen("dataset-importing", "/projects/{importing_id}/dataset", server="states"),
    Screen("dataset-import-failed", "/projects/{import_failed_id}/dataset", server="states"),
)
