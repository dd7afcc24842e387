"""From an empty server to a downloaded model by clicks only, with umlauts and markup in every name that is typed."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from app.commands.demo_server import DemoServer, choose_port
from tests.browser.conftest import Watched

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CheckAxe = Callable[..., None]
MARKUP = '<img src=x onerror="alert(1)">'
CLASSES = {"rötlich": (200, 30, 30), "Öl & Fraß 100 %": (30, 30, 200)}
PROJECT, SPLIT, EXPERIMENT = "Äpfel für Öl", "Prüfung größer", "Lauf für Bären"
NUM_PER_CLASS = 12
SIDE_PX = 32
JOB_MS = 60_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Twenty-four tiny images of two classes that any model tells apart."""
    root = tmp_path / "pictures"
    for name, colour in CLASSES.items():
        (root / name).mkdir(parents=True)
        for number in range(NUM_PER_CLASS):
            pixels = np.full((24, 24, 3), colour, np.uint8) + np.uint8(number)
            Image.fromarray(pixels).save(root / name / f"{name} & {number:02}.png")
    return root


@pytest.fixture
def visit(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """A page of a server that is a process of its own and has nothing in it."""
    monkeypatch.setenv("AI_STUDIO_WARM_SPARE", "0")
    with DemoServer(tmp_path / "workspace", choose_port(0), tmp_path / "server.log") as server:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
        watched = Watched(context.new_page(), server.url)
        watched.watch()
        yield watched
        context.close()
    # Leaving a page ends what it was still fetching. A request that failed for another reason is also a network error
    # or a status, which are not overlooked.
    watched.overlook("htmx:afterRequest", "htmx:sendAbort", "htmx:sendError")
    assert watched.complaints == []


def go_to(page: Page, name: str) -> None:
    """Press a page's name in the navigation."""
    page.get_by_role("navigation", name="Project").get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1, name=name, exact=True)).to_be_visible()


def make_project(page: Page, check_axe: CheckAxe) -> None:
    check_axe(page)
    page.get_by_role("button", name="New project", exact=True).first.click()
    dialog = page.get_by_role("dialog", name="New project")
    dialog.get_by_role("radio", name="classification").first.check()
    dialog.get_by_label("Name", exact=True).fill(PROJECT)
    dialog.get_by_label("Description").fill(f"About {MARKUP}")
    dialog.get_by_role("button", name="Create project").click()
    expect(page).to_have_url(re.compile("/dataset$"))


def import_images(page: Page, source: Path, check_axe: CheckAxe) -> None:
    page.get_by_role("button", name="Import images").click()
    dialog = page.locator("#import-dialog")
    page.locator("[data-upload-folder]").set_input_files(source)
    expect(dialog.get_by_text("All 24 images will be imported")).to_be_visible(timeout=JOB_MS)
    dialog.get_by_text("Rename, merge or leave out classes").click()
    dialog.get_by_label("New name of rötlich").fill(MARKUP)
    dialog.get_by_role("button", name="Apply and preview again").click()
    expect(dialog.locator(".facts")).to_contain_text("Classes2")
    dialog.get_by_role("button", name="Import 24 images").click()
    expect(page.locator(".grid-head__count")).to_have_text("24 images", timeout=JOB_MS)
    expect(page.locator(".class-links")).to_contain_text(MARKUP)
    expect(page.locator(".class-links")).to_contain_text("Öl & Fraß 100 % (12)")
    check_axe(page)
    page.get_by_role("link", name="Create a split").click()


def make_split(page: Page, check_axe: CheckAxe) -> None:
    page.get_by_role("button", name="New split").click()
    page.get_by_label("Name").fill(SPLIT)
    page.get_by_label("Test percentage, as a number").fill("25")
    # The first preview of a server imports scikit-learn.
    expect(page.locator("#split-preview .subsets__count").nth(2)).to_have_text("6", timeout=JOB_MS)
    page.get_by_role("button", name="Create split").click()
    expect(page.get_by_role("heading", name=SPLIT, exact=True)).to_be_visible(timeout=JOB_MS)
    check_axe(page)
    page.get_by_role("link", name=f"Browse test: 6 images of {SPLIT}").click()
    expect(page.locator(".grid-head__count")).to_contain_text("6 ")
    expect(page.locator("a.tile")).to_have_count(6)
    page.go_back()
    page.get_by_role("link", name="Continue to Training").click()


def train_model(page: Page, check_axe: CheckAxe) -> None:
    page.get_by_role("button", name="New experiment").first.click()
    dialog = page.get_by_role("dialog", name="New experiment")
    dialog.get_by_label("Name", exact=True).fill(EXPERIMENT)
    dialog.get_by_label("Model").select_option("mobilenet_v3_small")
    dialog.get_by_role("button", name="Create").click()
    expect(page.locator("#training-settings h2")).to_have_text(EXPERIMENT)
    page.get_by_label("Pretrained", exact=True).uncheck()
    page.get_by_label("Image size", exact=True).fill(str(SIDE_PX))
    page.locator("#section-training > summary").click()
    page.get_by_label("Max epochs", exact=True).fill("2")
    check_axe(page)
    page.get_by_role("button", name="Save and train").click()
    results = page.locator("#training-results")
    expect(results).to_have_attribute("data-status", "completed", timeout=JOB_MS)
    expect(page.locator('[aria-current="true"]')).to_have_text(EXPERIMENT)
    check_axe(page)
    page.locator("#run-evaluate").click()


def evaluate_model(page: Page, check_axe: CheckAxe) -> None:
    page.get_by_role("button", name="Evaluate", exact=True).click()
    expect(page.get_by_role("heading", name="Confusion matrix")).to_be_visible(timeout=JOB_MS)
    for name in (MARKUP, "Öl & Fraß 100 %"):
        expect(page.locator("[data-matrix]")).to_contain_text(name)
    check_axe(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    assert download.value.suggested_filename == f"{EXPERIMENT}-results.csv"
    assert "Öl & Fraß 100 %" in download.value.path().read_text(encoding="utf-8")
    cell = page.locator("[data-matrix] td a").first
    number = int(cell.evaluate("cell => cell.firstChild.textContent"))
    cell.click()
    expect(cell).to_have_attribute("aria-current", "true")
    expect(page.locator("#result-grid .tile")).to_have_count(number)
    name = page.locator("#result-grid .tile .sr-only").first.inner_text()
    page.locator("#result-grid .tile").first.click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    check_axe(page)
    page.get_by_role("link", name=f"Results of {EXPERIMENT}").click()
    page.get_by_role("link", name="Export", exact=True).last.click()


def export_model(page: Page, check_axe: CheckAxe, path: Path) -> None:
    form = page.locator("[data-export-form]")
    expect(form.get_by_label("Experiment").locator("option:checked")).to_contain_text(EXPERIMENT)
    form.get_by_label("ONNX").check()
    form.get_by_role("button", name="Export model", exact=True).click()
    expect(page.locator(".certificate__sentence")).to_contain_text("passed", timeout=JOB_MS)
    check_axe(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download model").click()
    assert download.value.suggested_filename == "model.onnx"
    download.value.save_as(path)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download bundle").click()
    with zipfile.ZipFile(download.value.path()) as bundle:
        labels = next(name for name in bundle.namelist() if name.endswith("labels.txt"))
        assert sorted(bundle.read(labels).decode().splitlines()) == sorted([MARKUP, "Öl & Fraß 100 %"])


def check_file(path: Path) -> None:
    """Assert that the file knows the two colours without anything of ours."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    batch = np.stack([np.full((3, SIDE_PX, SIDE_PX), 100, np.uint8)] * 2)
    outputs = session.run(None, {given.name: batch})
    assert outputs
    assert all(len(output) == 2 and np.isfinite(output).all() for output in outputs)
    assert any(output.shape == (2, len(CLASSES)) for output in outputs)


def test_from_a_folder_of_images_to_a_model_file_by_clicks(
    visit: Watched, source: Path, tmp_path: Path, check_axe: CheckAxe
) -> None:
    page = visit.page
    visit.open("/")
    make_project(page, check_axe)
    import_images(page, source, check_axe)
    make_split(page, check_axe)
    train_model(page, check_axe)
    evaluate_model(page, check_axe)
    export_model(page, check_axe, tmp_path / "model.onnx")
    check_file(tmp_path / "model.onnx")
    for name in ("Compare", "Playground", "Dataset"):
        go_to(page, name)
    page.get_by_role("link", name="AI Studio", exact=True).click()
    expect(page.locator(".card")).to_contain_text(f"About {MARKUP}")
    expect(page.locator(".card")).to_contain_text(PROJECT)
    assert len(visit.requests) > 50
