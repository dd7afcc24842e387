"""The playground by clicks, with a real model: files, the dataset, the camera, heat maps, and what goes wrong."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Route, expect

from app.client import StudioClient
from app.config import Settings
from app.schemas.datasets import ImportStarted
from tests.api.live import LiveServer, run_server
from tests.browser.conftest import Watched, take_route, wait_for
from tests.core.conftest import draw_class_folders

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HYPERPARAMETERS = {"image_size": 64, "batch_size": 8, "max_epochs": 1, "warmup_epochs": 0}


@dataclass(frozen=True)
class Lab:
    """A project with two trained models."""

    server: LiveServer
    project_id: str
    experiment_ids: tuple[str, ...]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with real engines and no spare process."""
    with run_server(Settings(workspace_root=tmp_path_factory.mktemp("workspace"), warm_spare=False)) as live:
        yield live


@pytest.fixture(scope="module")
def lab(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    with StudioClient(server.url) as client:
        task = next(task for task in client.tasks.all() if task.annotation_kind == "label")
        pid = client.projects.create("Bolts", task.id).id
        source = draw_class_folders(tmp_path_factory.mktemp("images") / "source", num_per_class=12)
        started = client.datasets.import_local(pid, source)
        if isinstance(started, ImportStarted):
            client.wait_for_job(started.job_id)
        client.splits.create(pid, "main", {"train": 0.6, "val": 0.2, "test": 0.2})
        model = {"backbone": "mobilenet_v3_small", "pretrained": False}
        first = client.experiments.create(pid, "First", "main", model=model, hyperparameters=HYPERPARAMETERS).id
        client.experiments.train(pid, first)
        assert client.follow_training(pid, first).status == "completed"
        client.experiments.create(pid, "Untrained", "main")
        return Lab(server, pid, (first,))


def draw_png(width: int = 60, height: int = 40) -> bytes:
    noise = np.random.default_rng(1).integers(0, 255, size=(height, width, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def is_first_question(route: Route, held: list[Route]) -> bool:
    return route.request.method == "POST" and not held


def kept_files(lab: Lab) -> list[str]:
    root = lab.server.studio.settings.workspace_root / "projects" / lab.project_id
    return [str(path) for path in root.rglob(".predict/*")]


def test_files_the_dataset_and_other_classes(watched: Watched, lab: Lab, check_axe: Callable[..., None]) -> None:
    page = watched.page
    watched.open(f"/projects/{lab.project_id}/playground")
    check_axe(page)
    files = [{"name": f"<b>{number}</b>.png", "mimeType": "image/png", "buffer": draw_png()} for number in range(2)]
    held: list[Route] = []  # a model that is loaded answers before anyone sees that it was asked
    page.route(
        "**/api/predict/**", lambda route: held.append(route) if is_first_question(route, held) else route.fallback()
    )
    page.locator("[data-files]").set_input_files(files)  # type: ignore[arg-type]
    expect(page.locator("[data-busy]")).to_contain_text("Predicting <b>0</b>.png")
    take_route(page, held).continue_()
    expect(page.locator(".history__item")).to_have_count(2, timeout=60_000)
    expect(page.locator("[data-caption]")).to_have_text("<b>1</b>.png, 60 \u00d7 40 pixels")
    expect(page.locator("[data-busy]")).to_be_hidden()
    expect(page.locator(".bars__row")).to_have_count(2)
    assert kept_files(lab) == []

    # The heat map lies over the image, and the slider is its opacity.
    heat = page.locator("[data-heat]")
    other = page.locator('.bars__row[aria-pressed="false"]')
    name = other.locator(".bars__name").inner_text()
    other.click()
    expect(page.locator('.bars__row[aria-pressed="true"] .bars__name')).to_have_text(name)
    expect(page.locator("[data-heat-text]")).to_contain_text(f"for {name}")
    if heat.is_visible():  # nothing at all may speak for a class of a network that has hardly learned
        page.locator("[data-opacity]").focus()
        page.keyboard.press("Home")
        assert heat.evaluate("image => getComputedStyle(image).opacity") == "0"
        assert heat.evaluate("image => image.naturalWidth") == 60
    check_axe(page)

    page.get_by_role("button", name="Choose from dataset").click()
    tile = page.locator("#image-picker .tile").first
    filename = tile.get_attribute("data-filename") or ""
    tile.click()
    expect(page.locator("[data-truth]")).to_have_text(f"True class: {filename.split('_')[0]}.")
    assert page.url.endswith(f"image={filename}")
    expect(page.locator(".history__item")).to_have_count(3)
    page.locator(".history__item").last.click()
    expect(page.locator("[data-caption]")).to_contain_text("<b>0</b>.png")
    page.goto(f"{watched.url}/projects/{lab.project_id}/playground?image={filename}")
    expect(page.locator("[data-caption]")).to_contain_text(filename)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_cannot_be_read_says_what_to_do(watched: Watched, lab: Lab) -> None:
    page = watched.page
    watched.open(f"/projects/{lab.project_id}/playground?experiment=exp-00000000")
    expect(page.get_by_text("The model in this link is not available")).to_be_visible()
    bad = {"name": "notes.png", "mimeType": "image/png", "buffer": b"no image"}
    page.locator("[data-files]").set_input_files(bad)  # type: ignore[arg-type]
    problem = page.locator("[data-problem]")
    expect(problem).to_contain_text("notes.png:", timeout=60_000)
    expect(problem).to_contain_text("Replace it with an image file")
    good = {"name": "good.png", "mimeType": "image/png", "buffer": draw_png()}
    page.locator("[data-files]").set_input_files(good)  # type: ignore[arg-type]
    expect(page.locator("[data-caption]")).to_contain_text("good.png")
    expect(problem).to_be_hidden()
    watched.forgive("422")


def test_loading_can_be_cancelled_and_tried_again(watched: Watched, lab: Lab) -> None:
    page, studio = watched.page, lab.server.studio
    studio.predictions.unload(lab.project_id, lab.experiment_ids[0])
    watched.open(f"/projects/{lab.project_id}/playground")
    image = {"name": "a.png", "mimeType": "image/png", "buffer": draw_png()}
    page.locator("[data-files]").set_input_files(image)  # type: ignore[arg-type]
    expect(page.locator("[data-progress-text]")).to_contain_text("Loading the model")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("[data-busy]")).to_be_hidden()
    expect(page.get_by_text("No image yet")).to_be_visible()
    page.locator("[data-files]").set_input_files(image)  # type: ignore[arg-type]
    expect(page.locator("[data-caption]")).to_contain_text("a.png", timeout=60_000)


def test_the_camera_says_when_it_may_not_be_used(watched: Watched, lab: Lab) -> None:
    watched.open(f"/projects/{lab.project_id}/playground")
    button = watched.page.get_by_role("button", name="Camera")
    button.click()
    expect(watched.page.locator("[data-camera-problem]")).to_contain_text("camera")
    expect(watched.page.locator("[data-camera]")).to_be_hidden()


def test_the_camera_takes_a_picture_and_is_turned_off(browser: Browser, lab: Lab) -> None:
    context = browser.new_context(permissions=["camera"])
    page = context.new_page()
    # A camera of our own, because the machine has none: a canvas that moves.
    page.add_init_script(
        """navigator.mediaDevices.getUserMedia = async () => {
        const canvas = document.createElement("canvas"); canvas.width = 64; canvas.height = 48;
        const paint = canvas.getContext("2d"); window.camera = canvas.captureStream(20);
        const draw = () => { paint.fillStyle = `rgb(${performance.now() % 255} 9 9)`; paint.fillRect(0, 0, 64, 48); };
        setInterval(draw, 40);
        return window.camera; };"""
    )
    page.goto(f"{lab.server.url}/projects/{lab.project_id}/playground")
    page.get_by_role("button", name="Camera").click()
    expect(page.locator("[data-camera-video]")).to_be_visible()
    wait_for(page, "document.querySelector('[data-camera-video]').videoWidth > 0")
    page.get_by_role("button", name="Take a picture").click()
    expect(page.locator("[data-caption]")).to_contain_text("64 \u00d7 48 pixels", timeout=60_000)
    page.get_by_role("button", name="Turn off camera").click()
    expect(page.locator("[data-camera]")).to_be_hidden()
    assert page.evaluate("window.camera.getTracks().map(track => track.readyState)") == ["ended"]
    context.close()
