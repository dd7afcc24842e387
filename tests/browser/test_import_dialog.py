"""The import dialog: the report with its pictures, each kind of problem, presses that mend one, folders, columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from app.config import Settings
from app.datasets.formats.report.problem_kinds import KINDS
from app.schemas.datasets import CheckState
from tests.api.live import LiveServer, run_server
from tests.browser.conftest import Watched, take_route
from tests.browser.every_problem import with_every_kind
from tests.browser.test_pages import check_layout

pytestmark = pytest.mark.browser
WORK_MS = 20_000
DRAG = """(kind) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File(["x"], "a.png"));
  const event = new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
  document.querySelector("#dataset-content").dispatchEvent(event);
}"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that may be browsed: classes with umlauts, images too deep, a table, many classes."""
    root = tmp_path_factory.mktemp("Bilder für 100 %")
    for name in ("Bär groß", "Öl"):
        draw(root / "Tiere" / name, 4)
    draw(root / "Tiere" / "Bär groß" / "Nahaufnahmen", 8)
    draw(root / "Werte", 6)
    rows = [f"{number} ü.png;{number},5;{'blau' if number % 2 else 'grün'};x" for number in range(6)]
    text = "Datei Name;Größe in %;Farbe;Notiz\n" + "\n".join(rows)
    (root / "Werte" / "Tabelle 1.csv").write_text(text, "utf-8")
    for name in ("a", "b"):
        draw(root / "Widerspruch" / name, 2)
    labels = "file;label\n" + "".join(f"{name}/{index} ü.png;b\n" for name in "ab" for index in range(2))
    (root / "Widerspruch" / "labels.csv").write_text(labels, "utf-8")
    (root / "Werte" / "Tabelle 2.csv").write_text("file;label\n0 ü.png;a\n", "utf-8")
    draw(root / ".versteckt", 1)
    return root


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Iterator[LiveServer]:
    """A server that may list one folder."""
    with run_server(Settings(workspace_root=tmp_path_factory.mktemp("ws"), browse_roots=str(pictures))) as live:
        yield live


def draw(folder: Path, number: int) -> Path:
    folder.mkdir(parents=True)
    for index in range(number):
        Image.new("RGB", (40, 30), (250 - 20 * index, 80, 20 * index)).save(folder / f"{index} ü.png")
    return folder


def open_local(watched: Watched, project: str) -> Locator:
    watched.open(f"/projects/{project}/dataset")
    watched.page.get_by_role("button", name="Import images").click()
    watched.page.get_by_text("Folder on the server").click()
    return watched.page.locator("#import-dialog")


def check(dialog: Locator, path: Path | str, headline: str) -> None:
    dialog.get_by_label("Path of a folder").fill(str(path))
    dialog.get_by_role("button", name="Preview import").click()
    expect(dialog.get_by_text(headline)).to_be_visible(timeout=WORK_MS)


def scroll_of(page: Page) -> float:
    return float(page.evaluate("document.getElementById('import-dialog').scrollTop"))


def test_a_press_mends_a_kind_of_problem_and_can_be_undone(
    add_project: list[str], watched: Watched, pictures: Path, check_axe: Callable[..., None]
) -> None:
    page, dialog = watched.page, open_local(watched, add_project[0])
    check(dialog, f'"{pictures}/Tiere/"', "8 of 16 images will be imported; 8 will not")
    expect(dialog.locator("#import-report > .notice--warning")).to_be_visible()
    group = dialog.locator(".problem-group", has_text="Images in subfolders of a class folder")
    expect(group).to_contain_text("8 images not imported")
    expect(group).to_contain_text("Nahaufnahmen")
    for name in ("Bär groß", "Öl"):
        row = dialog.get_by_role("list", name=f"Examples of {name}")
        expect(row.get_by_role("img")).to_have_count(4)
        expect(row.get_by_role("img").first).to_have_attribute("alt", f"{name}/0 ü.png")
        expect(row.get_by_role("img").first).to_have_js_property("complete", True)
        assert row.get_by_role("img").first.evaluate("image => image.naturalWidth") > 0
    check_axe(page)
    check_layout(watched, 20)
    before = scroll_of(page)
    group.get_by_role("button", name="Add them to the class").press("Enter")
    expect(dialog.get_by_text("All 16 images will be imported")).to_be_visible(timeout=WORK_MS)
    expect(dialog.locator("#import-report > .notice--good")).to_be_visible()
    assert abs(scroll_of(page) - before) < 200
    expect(page.locator("#import-report")).to_be_focused()
    undo = dialog.get_by_role("button", name="Undo: Images in subfolders are added to the class")
    undo.press("Enter")
    expect(dialog.get_by_text("8 of 16 images will be imported; 8 will not")).to_be_visible(timeout=WORK_MS)
    expect(undo).to_have_count(0)
    dialog.get_by_role("button", name="Make each subfolder a class").click()
    expect(dialog.locator(".facts")).to_contain_text("Classes3", timeout=WORK_MS)
    dialog.get_by_role("button", name="Import 16 images").click()
    expect(page.locator(".toast")).to_contain_text("Imported 16 images", timeout=WORK_MS)
    expect(page.get_by_text("All 16 images were imported")).to_be_visible()


def test_a_press_changes_the_format(add_project: list[str], watched: Watched, pictures: Path) -> None:
    dialog = open_local(watched, add_project[0])
    check(dialog, pictures / "Widerspruch", "All 4 images will be imported")
    expect(dialog.locator(".facts")).to_contain_text("Classes1")
    dialog.get_by_role("button", name="Use the folders as classes").press("Enter")
    expect(dialog.locator(".facts")).to_contain_text("Classes2", timeout=WORK_MS)
    expect(dialog.locator("#check-form [name=source_format]")).to_have_value("image_folders")
    expect(dialog.locator("#import-form [name=source_format]")).to_have_value("image_folders")


def test_each_kind_of_problem_has_its_group(
    add_project: list[str],
    watched: Watched,
    server: LiveServer,
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    check_axe: Callable[..., None],
) -> None:
    page, studio = watched.page, server.studio
    state_of = studio.import_checks.get_state

    def read_every_kind(project_id: str, job_id: str) -> CheckState:
        return with_every_kind(state_of(project_id, job_id))

    monkeypatch.setattr(studio.import_checks, "get_state", read_every_kind)
    dialog = open_local(watched, add_project[0])
    check(dialog, pictures / "Tiere", "images will be imported")
    assert len(KINDS) >= 20
    groups = dialog.locator(".problem-group")
    expect(groups).to_have_count(len(KINDS))
    for index, (kind, known) in enumerate(KINDS.items()):
        expect(groups.nth(index).locator("strong")).to_have_text(known.title)
        groups.nth(index).locator("summary").click()
        expect(groups.nth(index)).to_contain_text(f"Ä <{kind}>.png")
        expect(groups.nth(index)).to_contain_text("And 8 more.")
    expect(dialog.get_by_role("link", name=re.compile("Save all .* as CSV"))).to_have_count(1)
    few = groups.filter(has_text=KINDS["few_images"].title)
    few.get_by_role("button", name="Edit the classes").press("Enter")
    expect(dialog.get_by_label("New name of Öl")).to_be_visible()
    check_axe(page)
    check_layout(watched, 20)


def test_a_report_cannot_be_imported_while_another_one_is_on_its_way(
    add_project: list[str], watched: Watched, pictures: Path
) -> None:
    page, dialog = watched.page, open_local(watched, add_project[0])
    check(dialog, pictures / "Tiere", "8 of 16 images will be imported")
    held: list[Route] = []
    page.route("**/import/check", lambda route: held.append(route))
    dialog.get_by_text("Rename, merge or leave out classes").click()
    dialog.get_by_label("New name of Öl").fill("Farbe")
    dialog.get_by_role("button", name="Apply and preview again").click()
    submit = dialog.locator("#import-form [type=submit]")
    expect(submit).to_have_text("Import with these classes")
    expect(submit).to_be_disabled()
    submit.press("Enter")  # nothing is sent while it is locked
    take_route(page, held).continue_()
    expect(submit).to_be_enabled(timeout=WORK_MS)
    expect(submit).to_have_text("Import 8 images")
    expect(dialog.locator('[data-class="Öl"] input[type="text"]')).to_have_value("Farbe")
    submit.click()
    expect(page.locator(".class-links")).to_contain_text("Farbe (4)", timeout=WORK_MS)
    expect(dialog).to_be_hidden()
    assert len(held) == 1


@pytest.mark.parametrize("comes", ["while the newer one is asked for", "after the report of the newer one"])
@pytest.mark.parametrize("status", [200, 409])
def test_the_late_answer_of_a_replaced_preview_is_ignored(
    add_project: list[str], watched: Watched, pictures: Path, comes: str, status: int
) -> None:
    page, dialog = watched.page, open_local(watched, add_project[0])
    url = f"/api/datasets/{add_project[0]}/import/check/job-0000000a"
    running = f'<section id="import-report" data-check-url="{url}">Reading files</section>'
    newer = '<section id="import-report" data-options="{}" tabindex="-1">The newer preview</section>'
    asked: list[Route] = []
    followed: list[Route] = []
    page.route("**/import/check", lambda route: asked.append(route))
    page.route(f"**{url}", lambda route: followed.append(route))
    page.evaluate(
        """() => document.addEventListener("htmx:afterRequest", (event) => {
        if (event.detail.requestConfig.verb === "get") document.body.dataset.late = event.detail.xhr.status; })"""
    )
    preview = dialog.get_by_role("button", name="Preview import")

    def press() -> None:
        with page.expect_request("**/import/check"):
            preview.click()

    dialog.get_by_label("Path of a folder").fill(str(pictures / "Tiere"))
    press()
    with page.expect_request(f"**{url}"):
        take_route(page, asked, 1).fulfill(status=200, content_type="text/html", body=running)
    press()
    if comes.startswith("after"):
        take_route(page, asked, 2).fulfill(status=200, content_type="text/html", body=newer)
        expect(page.locator("#import-report")).to_have_text("The newer preview")
    old = '<section id="import-report"><p>The older preview</p></section>'
    problem = '{"status": "error", "error": {"code": "CONFLICT", "message": "The older preview was replaced."}}'
    is_report = status == 200
    take_route(page, followed, 1).fulfill(
        status=status,
        content_type="text/html" if is_report else "application/json",
        body=old if is_report else problem,
    )
    expect(page.locator("body")).to_have_attribute("data-late", str(status))
    expect(page.get_by_text("The older preview")).to_have_count(0)
    if comes.startswith("while"):
        expect(page.locator("#import-report")).to_have_text("Reading files")
        take_route(page, asked, 2).fulfill(status=200, content_type="text/html", body=newer)
    expect(page.locator("#import-report")).to_have_text("The newer preview")
    expect(page.locator(".toast")).to_have_count(0)
    assert (len(asked), len(followed)) == (2, 1)
    if not is_report:
        watched.forgive("409")


def test_nothing_to_import_is_red_and_offers_no_import(
    add_project: list[str], watched: Watched, tmp_path: Path
) -> None:
    dialog = open_local(watched, add_project[0])
    (tmp_path / "leer").mkdir()
    check(dialog, tmp_path / "leer", "Nothing can be imported")
    expect(dialog.locator("#import-report > .notice--error")).to_be_visible()
    expect(dialog.get_by_role("button", name=re.compile("^Import "))).to_have_count(0)
    check_path = dialog.get_by_label("Path of a folder")
    check_path.fill(str(tmp_path / "weg" / "Bilder"))
    dialog.get_by_role("button", name="Preview import").click()
    expect(dialog.locator(".field__error:visible")).to_contain_text("exists, 'weg' does not")
    watched.forgive("422")


def test_folders_are_browsed_by_keyboard(
    add_project: list[str], watched: Watched, pictures: Path, check_axe: Callable[..., None]
) -> None:
    page, dialog = watched.page, open_local(watched, add_project[0])
    dialog.get_by_role("button", name="Browse folders").press("Enter")
    browser = dialog.locator("#folder-browser")
    expect(browser.get_by_role("button", name="Tiere")).to_be_visible()
    expect(browser.get_by_role("button", name="Werte 6 images")).to_be_visible()
    expect(browser.get_by_text(".versteckt")).to_have_count(0)
    check_axe(page)
    check_layout(watched, 20)
    browser.get_by_role("button", name="Tiere").press("Enter")
    expect(browser.get_by_role("button", name="Bär groß 4 images")).to_be_visible()
    expect(browser.locator("[data-folder-summary]")).to_be_focused()
    expect(browser.locator("[aria-current=location]")).to_have_text("Tiere")
    page.keyboard.press("Backspace")
    expect(browser.get_by_role("button", name="Werte 6 images")).to_be_visible()
    browser.get_by_role("button", name="Tiere").press("Enter")
    expect(browser.locator("[aria-current=location]")).to_have_text("Tiere")
    browser.get_by_role("button", name="Use this folder").press("Enter")
    expect(browser).to_be_hidden()
    expect(dialog.get_by_label("Path of a folder")).to_have_value(str(pictures / "Tiere"))
    expect(dialog.get_by_text("8 of 16 images will be imported")).to_be_visible(timeout=WORK_MS)


def test_a_path_that_may_not_be_listed_begins_at_the_first_place(
    add_project: list[str], watched: Watched, pictures: Path
) -> None:
    dialog = open_local(watched, add_project[0])
    dialog.get_by_label("Path of a folder").fill(str(pictures.parent))
    dialog.get_by_role("button", name="Browse folders").click()
    expect(dialog.locator(".toast")).to_contain_text("outside of the folders that can be browsed")
    expect(dialog.locator("#folder-browser").get_by_role("button", name="Tiere")).to_be_visible()
    watched.forgive("422")
    watched.overlook("Response Status Error Code 422")


def test_file_and_columns_are_chosen_from_lists(
    add_project: list[str], watched: Watched, pictures: Path, check_axe: Callable[..., None]
) -> None:
    page, dialog = watched.page, open_local(watched, add_project[0])
    check(dialog, pictures / "Werte", "1 of 6 images will be imported; 5 will not")
    expect(dialog.locator("#import-report > .notice--error")).to_be_visible()
    expect(dialog.get_by_role("button", name="Read Tabelle 1.csv")).to_be_visible()
    dialog.get_by_role("button", name="Choose file and columns").first.click()
    dialog.get_by_label("Annotation file", exact=True).select_option("Tabelle 1.csv")
    dialog.get_by_role("button", name="Apply and preview again").click()
    expect(dialog.get_by_text("Annotation file: Tabelle 1.csv")).to_be_visible(timeout=WORK_MS)
    part = dialog.locator("#report-choices")
    expect(part.get_by_role("table")).to_be_visible()
    expect(part.get_by_role("row", name=re.compile("^Datei Name 0 ü.png, 1 ü.png"))).to_be_visible()
    part.get_by_label("Use Datei Name as").select_option("File name")
    part.get_by_label("Use Größe in % as").select_option("Not used")
    part.get_by_label("Use Notiz as").select_option("Not used")
    part.get_by_label("Use Farbe as").select_option("target")
    check_axe(page)
    check_layout(watched, 20)
    part.get_by_role("button", name="Apply and preview again").click()
    expect(dialog.get_by_text("All 6 images will be imported")).to_be_visible(timeout=WORK_MS)
    expect(dialog.get_by_role("list", name="Examples of grün").get_by_role("img")).to_have_count(3)
    dialog.get_by_role("button", name="Import 6 images").click()
    expect(page.locator(".class-links")).to_contain_text("blau (3)", timeout=WORK_MS)


def test_umlauts_are_kept_in_every_name(
    server: LiveServer, watched: Watched, pictures: Path, check_axe: Callable[..., None]
) -> None:
    page = watched.page
    task = httpx.get(f"{server.url}/api/tasks").json()["data"]["tasks"][0]["id"]
    made = httpx.post(f"{server.url}/api/projects", json={"name": "Äpfel für Öl", "task": task})
    project = made.json()["data"]["id"]
    dialog = open_local(watched, project)
    check(dialog, pictures / "Tiere", "8 of 16 images will be imported")
    dialog.get_by_text("Rename, merge or leave out classes").click()
    dialog.get_by_label("New name of Öl").fill("Öl & Fraß 100 %")
    dialog.get_by_role("button", name="Import with these classes").click()
    expect(page.locator(".class-links")).to_contain_text("Öl & Fraß 100 % (4)", timeout=WORK_MS)
    split = {"name": "Prüfung größer"}
    # The first split of a server imports scikit-learn.
    assert httpx.post(f"{server.url}/api/splits/{project}", json=split, timeout=60).status_code == 200
    experiment = {"name": "Lauf für Bären", "split_name": "Prüfung größer"}
    made = httpx.post(f"{server.url}/api/training/{project}/experiments", json=experiment)
    assert made.status_code in {200, 201}, made.text
    watched.open(f"/projects/{project}/dataset?image=0 ü.png")
    expect(page.locator("#image-dialog").get_by_role("heading", name=re.compile("0 ü"))).to_be_visible()
    watched.open(f"/projects/{project}/split")
    expect(page.get_by_role("heading", name="Prüfung größer", exact=True)).to_be_visible()
    watched.open(f"/projects/{project}/training")
    expect(page.get_by_text("Lauf für Bären").first).to_be_visible()
    watched.open("/projects")
    expect(page.get_by_role("link", name="Äpfel für Öl")).to_be_visible()
    check_axe(page)
    assert httpx.delete(f"{server.url}/api/projects/{project}").status_code == 200


def draw_deep(folder: Path) -> Path:
    """Two classes of 16-bit images whose values lie between 100 and 2,900."""
    for name, low in (("dark", 100), ("bright", 2000)):
        (folder / name).mkdir(parents=True)
        for number in range(4):
            values = np.linspace(low, low + 900, 64, dtype=np.uint16).reshape(8, 8) + np.uint16(number)
            Image.fromarray(values).save(folder / name / f"{number}.png")
    return folder


@pytest.mark.slow
def test_the_range_of_pixel_values_is_set_and_detected_again(
    add_project: list[str], watched: Watched, tmp_path: Path, check_axe: Callable[..., None]
) -> None:
    page, dialog = watched.page, open_local(watched, add_project[0])
    check(dialog, draw_deep(tmp_path / "deep"), "All 8 images will be imported")
    report = dialog.locator("#import-report")
    expect(report).to_contain_text("0 becomes black and 4,095 becomes white (values of 12 bits)")
    report.get_by_text("Range of pixel values", exact=True).click()
    black, white = report.get_by_label("Black"), report.get_by_label("White")
    expect(black).to_have_value("0")
    expect(white).to_have_value("4095")
    black.fill("3000")
    white.fill("50")
    submit = dialog.locator("#import-form button[type=submit]")
    expect(submit).to_have_text("Preview the changes first")
    submit.click()
    expect(report).to_contain_text("White must be greater than black (3000).")
    expect(white).to_be_focused()
    check_axe(page)
    black.fill("50")
    white.fill("3000")
    report.get_by_role("button", name="Apply and preview again").click()
    expect(report).to_contain_text("50 becomes black and 3,000 becomes white (set by hand)", timeout=WORK_MS)
    expect(submit).to_have_text("Import 8 images")
    report.get_by_role("button", name="Undo: Range of pixel values: 50 to 3000").click()
    expect(report).to_contain_text("4,095 becomes white (values of 12 bits)", timeout=WORK_MS)
    white.fill("1500")
    submit.click()
    expect(report).to_contain_text("0 becomes black and 1,500 becomes white", timeout=WORK_MS)
    expect(report).to_contain_text("4 of them have values outside of it")
    white.fill("")
    report.get_by_role("button", name="Apply and preview again").click()
    expect(report).to_contain_text("4,095 becomes white (values of 12 bits)", timeout=WORK_MS)
    check_layout(watched, 20)
    submit.click()
    expect(page.locator("#statistics")).to_contain_text("0 is black, 4,095 is white", timeout=WORK_MS)


def test_the_import_button_follows_what_was_changed_since_the_preview(
    add_project: list[str], watched: Watched, pictures: Path
) -> None:
    dialog = open_local(watched, add_project[0])
    check(dialog, pictures / "Tiere", "8 of 16 images will be imported; 8 will not")
    submit = dialog.locator("#import-form button[type=submit]")
    expect(submit).to_have_text("Import 8 images")
    dialog.get_by_text("Rename, merge or leave out classes").click()
    leave_out = dialog.get_by_label("Leave out Öl")
    leave_out.check()
    expect(submit).to_have_text("Import with these classes")
    leave_out.uncheck()
    expect(submit).to_have_text("Import 8 images")
    leave_out.check()
    dialog.get_by_role("button", name="Apply and preview again").click()
    expect(submit).to_have_text("Import 4 images", timeout=WORK_MS)
    expect(leave_out).to_be_checked()


def test_a_file_is_asked_for_only_where_none_was_chosen(
    add_project: list[str], watched: Watched, pictures: Path
) -> None:
    page = watched.page
    watched.open(f"/projects/{add_project[0]}/dataset")
    page.get_by_role("button", name="Import images").click()
    dialog = page.locator("#import-dialog")
    dialog.get_by_role("button", name="Preview import").click()
    expect(dialog.get_by_text("Drop or choose files first.")).to_be_visible()
    page.get_by_text("Folder on the server").click()
    expect(dialog.get_by_text("Drop or choose files first.")).to_have_count(0)
    page.locator("label", has_text="Upload").first.click()
    dialog.get_by_role("button", name="Preview import").click()
    expect(dialog.get_by_text("Drop or choose files first.")).to_be_visible()
    page.locator("[data-upload-folder]").set_input_files(pictures / "Tiere")
    expect(dialog.get_by_text("Drop or choose files first.")).to_have_count(0)
    expect(dialog.get_by_text("8 of 16 images will be imported")).to_be_visible(timeout=WORK_MS)


def test_a_drop_is_announced_while_files_are_over_the_page(add_project: list[str], watched: Watched) -> None:
    page = watched.page
    watched.open(f"/projects/{add_project[0]}/dataset")
    page.evaluate(DRAG, "dragenter")
    expect(page.locator("html")).to_have_class(re.compile("is-dragging-files"))
    assert page.locator("#dataset-content").evaluate("part => getComputedStyle(part).outlineStyle") == "dashed"
    page.evaluate(DRAG, "dragleave")
    expect(page.locator("html")).not_to_have_class(re.compile("is-dragging-files"))


def test_the_bar_of_an_upload_says_what_its_text_says(add_project: list[str], watched: Watched, pictures: Path) -> None:
    page = watched.page
    watched.open(f"/projects/{add_project[0]}/dataset")
    page.get_by_role("button", name="Import images").click()
    page.locator("[data-upload-folder]").set_input_files(pictures / "Tiere")
    dialog = page.locator("#import-dialog")
    expect(dialog.get_by_text("8 of 16 images will be imported")).to_be_visible(timeout=WORK_MS)
    expect(dialog.get_by_role("list", name="Examples of Bär groß").get_by_role("img").first).to_be_visible()
    size = sum(path.stat().st_size for path in (pictures / "Tiere").rglob("*.png"))
    expect(dialog.locator("[data-upload-text]")).to_have_text(f"{size / 1024:.1f} KiB")
    assert page.locator("#upload-progress progress").get_attribute("value") == "100"
    dialog.get_by_role("button", name="Remove upload").click()
    expect(dialog.get_by_text("8 of 16 images will be imported")).to_be_hidden()
