"""The dataset page by clicks: a folder dropped, looked at, mapped and imported; filters, one image, clearing."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from app.annotations.box import Box
from app.annotations.instance import Instance
from app.annotations.rotated_box import RotatedBox
from app.datasets.table import Annotation, DatasetTable
from app.schemas.datasets import CheckState
from app.schemas.events import JobProgressed
from app.schemas.jobs import JobProgress
from tests.api.live import LiveServer
from tests.browser.conftest import Watched
from tests.browser.test_pages import check_layout

pytestmark = pytest.mark.browser
NUM_PER_CLASS = 55
WORK_MS = 20_000  # for an upload, a check or an import of all of them on a busy machine

DROP = """([text, name]) => {
  const bytes = Uint8Array.from(atob(text), character => character.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name));
  const event = new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
  document.querySelector("#dataset-content h2, #dataset-content h1").dispatchEvent(event);
}"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 55 images; one file is broken."""
    root = tmp_path_factory.mktemp("source") / "shapes"
    for index, name in enumerate(("circle", "ring", "<b>square")):
        (root / name).mkdir(parents=True)
        for number in range(NUM_PER_CLASS):
            image = Image.new("RGB", (60, 40), (230, 230 - number, 90 * index))
            draw = ImageDraw.Draw(image)
            (draw.rectangle if index == 2 else draw.ellipse)((15, 8, 45, 32), fill=(20, 60, 120))
            image.save(root / name / f"{name[-6:]}_{number:02}.png")
    (root / "ring" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    return root


@pytest.fixture
def imported(server: LiveServer, add_project: list[str], source: Path) -> str:
    """A project with the images and a split."""
    project = add_project[0]
    url = f"{server.url}/api/datasets/{project}"
    job = httpx.post(f"{url}/import/local", json={"source_path": str(source)}).json()["data"]["job_id"]
    server.studio.scheduler.wait(job, 60)
    # The first split of a server imports scikit-learn.
    assert httpx.post(f"{server.url}/api/splits/{project}", json={"name": "main"}, timeout=60).status_code == 200
    return project


def overlook_pictures(watched: Watched) -> None:
    """Pictures that a page still fetched while the dataset was cleared are answered with errors, as they should be."""
    watched.overlook("/thumbnails/", "/images/", "/dataset/picture")


def test_a_folder_is_uploaded_mapped_and_imported(
    add_project: list[str], watched: Watched, source: Path, check_axe: Callable[..., None]
) -> None:
    page, project = watched.page, add_project[0]
    watched.open(f"/projects/{project}/dataset")
    page.get_by_role("button", name="Import images").click()
    dialog = page.locator("#import-dialog")
    page.locator("[data-upload-folder]").set_input_files(source)
    expect(dialog.get_by_text("110 of 111 images will be imported; 1 will not")).to_be_visible(timeout=WORK_MS)
    expect(dialog.get_by_text("111 files uploaded")).to_be_visible()
    expect(dialog.get_by_text("55 files skipped")).to_be_visible()
    expect(dialog.get_by_text("broken.png")).to_be_visible()
    dialog.get_by_text("Rename, merge or leave out classes").click()
    dialog.get_by_label("New name of ring").fill("circle")
    dialog.get_by_role("button", name="Apply and preview again").click()
    expect(dialog.locator(".facts").get_by_text("Classes1")).to_be_visible(timeout=WORK_MS)
    check_axe(page)
    check_layout(watched, 20)
    dialog.get_by_role("button", name="Import 110 images").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("110 of 111 images were imported; 1 was not")).to_be_visible(timeout=WORK_MS)
    expect(page.locator(".grid-head__count")).to_have_text("110 images")
    expect(page.locator(".class-links li")).to_have_count(1)
    expect(page.get_by_role("link", name="Create a split")).to_have_attribute("href", f"/projects/{project}/split")


def test_a_folder_of_the_server_shows_its_errors_and_progress(
    add_project: list[str], watched: Watched, source: Path
) -> None:
    page, project = watched.page, add_project[0]
    watched.open(f"/projects/{project}/dataset")
    page.get_by_role("button", name="Import images").click()
    dialog = page.locator("#import-dialog")
    dialog.get_by_role("button", name="Preview import").click()
    expect(dialog.get_by_text("Drop or choose files first.")).to_be_visible()
    dialog.get_by_text("Folder on the server").click()
    path = dialog.get_by_label("Path of a folder")
    path.fill("/there/is/nothing")
    dialog.get_by_role("button", name="Preview import").click()
    expect(dialog.locator(".field__error:visible")).to_contain_text("There is nothing at")
    watched.forgive("422")
    path.fill(str(source))
    path.press("Enter")
    dialog.get_by_label("Hard link").check()
    dialog.get_by_role("button", name="Import 165 images").click(timeout=WORK_MS)
    expect(page.locator(".grid-head__count")).to_have_text("165 images", timeout=WORK_MS)
    page.reload()
    expect(page.get_by_text("Hard links to the original files")).to_be_visible()


@pytest.mark.slow
def test_a_longer_look_shows_how_far_it_is_and_is_cancelled(
    server: LiveServer, add_project: list[str], watched: Watched, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look is held up for as long as the test wants; the second is as quick as ever."""
    page, project, studio = watched.page, add_project[0], server.studio
    state_of = studio.import_checks.get_state

    def hold_up(project_id: str, job_id: str) -> CheckState:
        progress = JobProgress(done=3, total=9, message="Reading the headers of images")
        return state_of(project_id, job_id).model_copy(
            update={"status": "running", "progress": progress, "report": None}
        )

    monkeypatch.setattr(studio.import_checks, "get_state", hold_up)
    watched.open(f"/projects/{project}/dataset")
    page.get_by_role("button", name="Import images").click()
    dialog = page.locator("#import-dialog")
    dialog.get_by_text("Folder on the server").click()
    dialog.get_by_label("Path of a folder").fill(str(source))
    dialog.get_by_role("button", name="Preview import").click()
    expect(dialog.get_by_text("3 of 9")).to_be_visible(timeout=WORK_MS)
    dialog.get_by_role("button", name="Cancel").focus()
    with page.expect_response(lambda answer: "/import/check/" in answer.url):
        pass
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    dialog.get_by_role("button", name="Cancel").click()
    monkeypatch.setattr(
        studio.import_checks,
        "get_state",
        lambda project_id, job_id: state_of(project_id, job_id).model_copy(
            update={"status": "cancelled", "report": None}
        ),
    )
    expect(dialog.get_by_text("The preview was cancelled")).to_be_visible(timeout=WORK_MS)
    monkeypatch.undo()
    dialog.get_by_role("button", name="Preview import").click()
    expect(dialog.get_by_text("165 of 166 images will be imported; 1 will not")).to_be_visible(timeout=WORK_MS)


def test_filters_are_in_the_address_and_work_with_back(imported: str, watched: Watched) -> None:
    page = watched.page
    watched.open(f"/projects/{imported}/dataset")
    expect(page.locator("a.tile")).to_have_count(60)
    page.locator("#next-above").click()
    expect(page.locator("a.tile")).to_have_count(60)
    watched.wait_for("location.search === '?page=2'")
    page.get_by_label("Class", exact=True).select_option("<b>square")
    expect(page.locator(".grid-head__count")).to_have_text("55 of 165 images")
    page.get_by_label("Search").fill("_1")
    expect(page.locator(".grid-head__count")).to_have_text("10 of 165 images")
    page.get_by_label("Split", exact=True).select_option("main")
    page.get_by_label("Subset", exact=True).select_option("train")
    expect(page.locator("[data-subset-link][aria-current]")).to_contain_text("Train")
    page.locator(".filters__view label[title=List]").click()
    expect(page.locator(".image-list")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Search")).to_have_value("_1")
    expect(page.get_by_label("Subset", exact=True)).to_have_value("train")
    page.get_by_label("Search").fill("no such name")
    page.get_by_role("link", name=re.compile("Remove the search")).click()
    expect(page.locator(".image-list tbody tr").first).to_be_visible()
    page.go_back()
    expect(page.get_by_text("No images match")).to_be_visible()


def test_one_image_is_seen_and_left_by_keyboard(
    imported: str, watched: Watched, check_axe: Callable[..., None]
) -> None:
    page = watched.page
    watched.open(f"/projects/{imported}/dataset?class=circle")
    page.locator("a.tile").nth(1).focus()
    page.keyboard.press("Enter")
    dialog = page.locator("#image-dialog")
    expect(dialog.get_by_role("heading", name="circle_01.png")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(dialog.get_by_role("heading", name="circle_02.png")).to_be_visible()
    expect(dialog.get_by_text("3 of 55")).to_be_visible()
    check_axe(page)
    page.reload()
    expect(dialog.get_by_role("heading", name="circle_02.png")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    watched.wait_for("location.search === '?class=circle'")
    page.locator("a.tile").nth(4).click()
    expect(dialog.get_by_role("heading", name="circle_04.png")).to_be_visible()
    page.go_back()
    expect(dialog).to_be_hidden()
    check_axe(page)
    check_layout(watched, 60)


def test_an_image_of_filtered_ones_is_left_without_a_reload(imported: str, watched: Watched) -> None:
    page, dialog = watched.page, watched.page.locator("#image-dialog")
    watched.open(f"/projects/{imported}/dataset")
    page.get_by_label("Class", exact=True).select_option("circle")
    expect(page.locator(".grid-head__count")).to_have_text("55 of 165 images")
    watched.wait_for("location.search.includes('class=circle')")
    page.evaluate("window.isSamePage = true")
    tile = page.locator("a.tile").nth(1)
    for leave in (lambda: page.keyboard.press("Escape"), page.go_back):
        tile.focus()
        page.keyboard.press("Enter")
        expect(dialog.get_by_role("heading", name="circle_01.png")).to_be_visible()
        leave()
        expect(dialog).to_be_hidden()
        watched.wait_for("!location.search.includes('image=')")
        expect(tile).to_be_focused()
        assert page.evaluate("window.isSamePage") is True
    page.go_back()  # what was before the filter
    expect(page.locator(".grid-head__count")).to_have_text("165 images")
    page.go_forward()
    expect(page.locator(".grid-head__count")).to_have_text("55 of 165 images")
    expect(page.get_by_label("Class", exact=True)).to_have_value("circle")


def test_a_filter_chosen_while_the_server_is_away_is_asked_for_when_it_is_back(imported: str, watched: Watched) -> None:
    page = watched.page
    watched.open(f"/projects/{imported}/dataset")
    page.route(re.compile("class=circle"), lambda route: route.abort(), times=1)
    page.get_by_label("Class", exact=True).select_option("circle")
    expect(page.locator(".toast")).to_contain_text("The server is not responding")
    expect(page.locator(".grid-head__count")).to_have_text("55 of 165 images")
    watched.forgive("ERR_FAILED", "htmx:afterRequest", "htmx:sendError")


def test_an_image_is_left_when_another_tab_clears_the_dataset(imported: str, watched: Watched) -> None:
    page = watched.page
    watched.open(f"/projects/{imported}/dataset")
    expect(page.locator("[data-live-state]")).to_have_text("Live")
    page.locator("a.tile").first.click()
    expect(page.locator("#image-dialog")).to_be_visible()
    assert httpx.delete(f"{watched.url}/api/datasets/{imported}").status_code == 200
    expect(page.locator("#image-dialog")).to_be_hidden()
    expect(page.get_by_role("heading", name="No images yet")).to_be_visible()
    assert "image=" not in page.url
    overlook_pictures(watched)


def test_a_picture_that_the_browser_cannot_show_has_its_preview(imported: str, watched: Watched) -> None:
    page = watched.page
    picture = re.compile(r"/dataset/picture\?image=circle_00.png")
    page.route(picture, lambda route: route.fulfill(body="no picture", status=200))
    watched.open(f"/projects/{imported}/dataset?image=circle_00.png")
    expect(page.get_by_text("Your browser cannot display this format. This is a small preview.")).to_be_visible()
    assert "/thumbnails/" in (page.locator("#image-detail img").get_attribute("src") or "")


def test_clearing_is_seen_in_both_tabs(imported: str, watched: Watched) -> None:
    page = watched.page
    watched.open(f"/projects/{imported}/dataset")
    other = page.context.new_page()
    other.goto(f"{watched.url}/projects/{imported}/dataset")
    expect(other.locator("[data-live-state]")).to_have_text("Live")
    page.get_by_role("button", name="Clear dataset").click()
    dialog = page.locator("#clear-dialog")
    expect(dialog.get_by_text("165 images with annotations")).to_be_visible()
    dialog.get_by_role("button", name="Clear dataset").click()
    for tab in (page, other):
        expect(tab.get_by_role("heading", name="No images yet")).to_be_visible()
    overlook_pictures(watched)


def test_an_upload_that_breaks_is_sent_again(add_project: list[str], watched: Watched, source: Path) -> None:
    page, project = watched.page, add_project[0]
    watched.open(f"/projects/{project}/dataset")
    page.get_by_role("button", name="Import images").click()
    page.route("**/import/upload", lambda route: route.abort(), times=1)
    archive = shutil.make_archive(str(source.parent / "shapes"), "zip", source)
    page.locator("[data-upload-files]").set_input_files(archive)
    expect(page.get_by_text("Try again to send the rest; the files sent so far are kept.")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("165 of 166 images will be imported; 1 will not")).to_be_visible(timeout=WORK_MS)
    page.get_by_role("button", name="Remove upload").click()
    expect(page.get_by_text("165 of 166 images will be imported; 1 will not")).to_be_hidden()
    watched.forgive("ERR_FAILED")


def test_an_import_is_followed_and_cancelled_on_the_page(
    add_project: list[str], watched: Watched, source: Path, server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, project = watched.page, add_project[0]
    watched.open(f"/projects/{project}/dataset")
    expect(page.locator("[data-live-state]")).to_have_text("Live")
    monkeypatch.setattr(server.studio.scheduler, "_accepts_starts", False)
    url = f"{server.url}/api/datasets/{project}/import/local"
    job = httpx.post(url, json={"source_path": str(source)}).json()["data"]["job_id"]
    expect(page.get_by_role("heading", name="Importing images")).to_be_visible()
    server.studio.bus.publish(project, JobProgressed(job_id=job, done=41, total=165, message="Importing images"))
    expect(page.get_by_text("41 of 165")).to_be_visible()
    assert page.locator("progress:visible").get_attribute("max") == "165"
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel import").click()
    expect(page.get_by_text("The import was cancelled")).to_be_visible()
    expect(page.get_by_role("heading", name="No images yet")).to_be_visible()


def test_files_dropped_on_the_page_are_uploaded(add_project: list[str], watched: Watched, source: Path) -> None:
    page = watched.page
    watched.open(f"/projects/{add_project[0]}/dataset")
    archive = Path(shutil.make_archive(str(source.parent / "dropped"), "zip", source))
    page.evaluate(DROP, [base64.b64encode(archive.read_bytes()).decode(), "shapes.zip"])
    dialog = page.locator("#import-dialog")
    expect(dialog.get_by_text("165 of 166 images will be imported; 1 will not")).to_be_visible(timeout=WORK_MS)
    page.keyboard.press("Escape")
    expect(page.get_by_text("Upload complete. The import has not started yet.")).to_be_visible()
    page.get_by_role("button", name="Show the upload").click()
    expect(dialog.get_by_role("button", name="Import 165 images")).to_be_visible()


def test_files_dropped_where_images_are_get_an_answer(imported: str, watched: Watched) -> None:
    watched.open(f"/projects/{imported}/dataset")
    watched.page.evaluate(DROP, ["", "more.zip"])
    expect(watched.page.locator(".toast")).to_contain_text("Clear it to import other images")
    expect(watched.page.locator("#import-dialog")).to_be_hidden()


def test_shapes_lie_on_their_objects_and_can_be_hidden(
    imported: str, watched: Watched, server: LiveServer, check_axe: Callable[..., None]
) -> None:
    page = watched.page

    def annotate(table: DatasetTable) -> DatasetTable:
        marks: list[Annotation] = [
            Box(0, "circle", (15, 8, 30, 24)),
            RotatedBox(1, "ring", (30, 20, 30, 10, 30)),
            Instance(2, "<b>square", polygon=[(5, 5), (20, 5), (12, 30)]),
        ]
        return msgspec.structs.replace(
            table, images=[msgspec.structs.replace(image, annotations=marks) for image in table.images]
        )

    server.studio._stores.datasets.change_table(imported, annotate)
    watched.open(f"/projects/{imported}/dataset?image=circle_00.png")
    expect(page.locator("#image-detail .overlay__shape")).to_have_count(3)
    picture, box = page.locator("[data-overlay-box] img"), page.locator("#image-detail rect.overlay__shape").first
    image_box, shape_box = picture.bounding_box(), box.bounding_box()
    assert image_box is not None
    assert shape_box is not None
    scale = image_box["width"] / 60
    assert abs(shape_box["x"] - image_box["x"] - 15 * scale) < 3
    assert abs(shape_box["y"] - image_box["y"] - 8 * scale) < 3
    check_axe(page)
    page.get_by_label("Show annotations").uncheck()
    expect(box).to_be_hidden()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", name="circle_01.png")).to_be_visible()
    expect(page.get_by_label("Show annotations")).not_to_be_checked()
    expect(box).to_be_hidden()
