"""The list and the settings of the training page in a real browser: by mouse, by keyboard, in two tabs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.api.live import LiveServer
from tests.browser.conftest import Watched
from tests.browser.test_pages import check_layout
from tests.core.conftest import draw_class_folders

pytestmark = pytest.mark.browser
CheckAxe = Callable[..., None]
ONE_LOOK = pytest.mark.parametrize("watched", [("light", 1280)], indirect=True, ids=["light-1280"])
TINY = {"image_size": 32, "max_epochs": 3, "batch_size": 4, "early_stopping_patience": 0}


@pytest.fixture(scope="module")
def project(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Twenty images of two classes and a split."""
    source = draw_class_folders(tmp_path_factory.mktemp("images") / "folders")
    with httpx.Client(base_url=server.url, timeout=60) as client:
        task = next(t for t in client.get("/api/tasks").json()["data"]["tasks"] if t["annotation_kind"] == "label")
        made = client.post("/api/projects", json={"name": "Bolts", "task": task["id"]})
        identifier: str = made.json()["data"]["id"]
        started = client.post(f"/api/datasets/{identifier}/import/local", json={"source_path": str(source)}).json()
        server.studio.scheduler.wait(started["data"]["job_id"], 60)
        ratios = {"train": 0.6, "val": 0.2, "test": 0.2}
        assert client.post(f"/api/splits/{identifier}", json={"name": "main", "ratios": ratios}).status_code == 200
    return identifier


@pytest.fixture
def experiment(server: LiveServer, project: str) -> dict[str, Any]:
    """A new experiment, small enough to be trained."""
    body = {"name": "Mine", "split_name": "main", "model": {"pretrained": False}, "hyperparameters": TINY}
    answer = httpx.post(f"{server.url}/api/training/{project}/experiments", json=body)
    record: dict[str, Any] = answer.json()["data"]
    return record


def read(watched: Watched, project: str, experiment: str) -> dict[str, Any]:
    answer = httpx.get(f"{watched.url}/api/training/{project}/experiments/{experiment}")
    record: dict[str, Any] = answer.json()["data"]
    return record


def unfold(page: Page, *sections: str) -> None:
    for section in sections:
        page.locator(f"#section-{section} > summary").click()


def state_of(page: Page) -> Locator:
    return page.locator("[data-save-state]")


def test_settings_are_changed_marked_reset_and_saved(
    watched: Watched, project: str, experiment: dict[str, Any], check_axe: CheckAxe
) -> None:
    page = watched.page
    watched.open(f"/projects/{project}/training?experiment={experiment['id']}")
    unfold(page, "optimizer", "scheduler", "loss", "training", "augmentation", "hardware")
    expect(page.locator("#steps-train .step")).to_have_count(3)
    expect(state_of(page)).to_have_text("All changes are saved")
    step_size = page.get_by_label("Step size", exact=True)
    expect(step_size).to_be_hidden()
    expect(page.get_by_text("Step size: only with scheduler step")).to_be_visible()
    page.get_by_label("Scheduler", exact=True).select_option("step")
    expect(step_size).to_be_enabled()
    expect(state_of(page)).to_have_text("Unsaved changes")
    expect(page.locator("#section-scheduler [data-section-changed]")).to_have_text("1 changed")
    page.get_by_label("Batch multiplier", exact=True).fill("3")
    expect(page.locator("[data-product]")).to_have_text("12")
    check_axe(page)
    check_layout(watched, 80)

    page.get_by_role("button", name="Reset Scheduler to cosine").click()
    expect(step_size).to_be_hidden()
    page.get_by_label("Batch multiplier", exact=True).fill("300")
    page.get_by_role("button", name="Save changes", exact=True).click()
    error = page.locator(".field", has=page.get_by_label("Batch multiplier", exact=True)).locator(".field__error")
    expect(error).to_contain_text("at most 64")
    expect(state_of(page)).to_have_text("Not saved: correct the marked settings.")
    watched.forgive("422")
    page.get_by_label("Batch multiplier", exact=True).fill("2")
    page.locator(".architecture", has_text="MobileNetV3 small").click()
    page.get_by_role("button", name="Save changes", exact=True).click()
    expect(state_of(page)).to_have_text("All changes are saved")
    record = read(watched, project, experiment["id"])
    assert record["hyperparameters"]["batch_multiplier"] == 2
    assert record["hyperparameters"]["scheduler"] == "cosine"
    assert record["model"]["backbone"] == "mobilenet_v3_small"
    assert record["augmentations"]["train"][0]["params"]["scale"] == [0.7, 1.0]
    page.reload()
    expect(page.locator('[name="model.backbone"]:checked')).to_have_value("mobilenet_v3_small")
    expect(page.locator("#training-forecast")).to_contain_text("measure")


def test_steps_are_added_moved_removed_and_seen_on_own_images(
    watched: Watched, project: str, experiment: dict[str, Any]
) -> None:
    page = watched.page
    watched.open(f"/projects/{project}/training?experiment={experiment['id']}")
    unfold(page, "augmentation")
    steps = page.locator("#steps-train .step__title")
    expect(steps).to_have_text(["Random resized crop", "Horizontal flip", "Normalise"])
    page.locator('[data-chain="train"]').get_by_role("button", name="Add transform").click()
    page.get_by_role("button", name="Add Colour jitter").press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    announced = page.locator("[data-steps-status]")
    expect(announced).to_have_text("Colour jitter was added as transform 4 of 4.")
    up = page.get_by_role("button", name="Move Colour jitter up")
    up.press("Enter")
    expect(announced).to_have_text("Colour jitter is now transform 3 of 4.")
    expect(up).to_be_focused()
    page.get_by_role("button", name="Remove Horizontal flip").press("Enter")
    handles = page.locator("#steps-train .step__handle")
    handles.nth(1).scroll_into_view_if_needed()
    handles.nth(1).drag_to(page.locator("#steps-train .step__title").nth(0), target_position={"x": 5, "y": 1})
    expect(steps).to_have_text(["Colour jitter", "Random resized crop", "Normalise"])
    expect(page.locator("#section-augmentation [data-section-changed]")).to_have_text("1 changed")

    page.get_by_role("button", name="Show preview", exact=True).click()
    images = page.locator("[data-preview-tiles] img")
    expect(images).to_have_count(8, timeout=60_000)
    first = images.first.get_attribute("src")
    page.get_by_role("button", name="Show another variation").click()
    expect(images.first).not_to_have_attribute("src", first or "")
    page.locator("#steps-train .step", has_text="Colour jitter").locator("summary").click()
    page.get_by_label("Hue", exact=True).fill("3")
    expect(page.locator("[data-preview-status]")).to_contain_text("No preview. Hue: Enter a number from 0 to 0.5")
    expect(page.locator(".field", has=page.get_by_label("Hue", exact=True)).locator(".field__error")).to_contain_text(
        "3 is above 0.5."
    )
    watched.forgive("422")
    page.get_by_label("Hue", exact=True).fill("0.1")
    page.get_by_role("button", name="Save changes", exact=True).click()
    expect(state_of(page)).to_have_text("All changes are saved")
    chain = read(watched, project, experiment["id"])["augmentations"]["train"]
    assert [entry["name"] for entry in chain] == ["ColorJitter", "RandomResizedCrop", "Normalize"]
    assert chain[0]["params"]["hue"] == 0.1
    page.locator('[data-chain="train"]').get_by_role("button", name="Reset to defaults").click()
    expect(steps).to_have_text(["Random resized crop", "Horizontal flip", "Normalise"])


@ONE_LOOK
def test_experiments_are_made_renamed_copied_and_deleted_and_another_tab_follows(
    watched: Watched, project: str, experiment: dict[str, Any], check_axe: CheckAxe
) -> None:
    page = watched.page
    other = page.context.new_page()
    other.goto(f"{watched.url}/projects/{project}/training?experiment={experiment['id']}")
    expect(other.locator("[data-live-state]")).to_have_text("Live")
    watched.open(f"/projects/{project}/training?experiment={experiment['id']}")
    page.get_by_role("button", name="New experiment").click()
    check_axe(page, "#new-experiment")
    page.get_by_role("dialog").get_by_label("Name").fill("Second")
    page.get_by_role("button", name="Create").click()
    selected = page.locator('[aria-current="true"]')
    expect(selected).to_have_text("Second")
    page.get_by_role("button", name="Rename").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Better")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(selected).to_have_text("Better")
    expect(page.locator("#training-settings h2")).to_have_text("Better")
    expect(other.get_by_role("link", name="Better")).to_be_visible()
    page.get_by_role("button", name="Duplicate").click()
    expect(selected).to_have_text("Better copy")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_contain_text("Its settings")
    check_axe(page, "#experiment-deletion-dialog")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name="Better copy")).to_have_count(0)
    expect(other.get_by_role("link", name="Better copy")).to_have_count(0)
    other.close()


@ONE_LOOK
def test_train_saves_first_locks_the_settings_and_frees_them_at_the_end(
    watched: Watched, server: LiveServer, project: str, experiment: dict[str, Any]
) -> None:
    page = watched.page
    watched.open(f"/projects/{project}/training?experiment={experiment['id']}")
    unfold(page, "training")
    page.get_by_label("Max epochs", exact=True).fill("500")
    page.get_by_role("button", name="Save and train").click()
    expect(page.locator("#training-settings")).to_contain_text("These settings cannot be changed")
    assert read(watched, project, experiment["id"])["hyperparameters"]["max_epochs"] == 500
    expect(page.get_by_label("Max epochs", exact=True)).to_be_disabled()
    expect(page.locator("#experiment-list")).to_contain_text(re.compile(r"[1-9]\d* of 500 epochs"), timeout=60_000)
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_contain_text("is using this experiment")
    page.keyboard.press("Escape")
    httpx.post(f"{server.url}/api/training/{project}/experiments/{experiment['id']}/stop")
    expect(page.get_by_role("button", name="Save changes", exact=True)).to_be_visible(timeout=30_000)
    expect(page.locator("#settings-form").get_by_label("Max epochs", exact=True)).to_be_enabled()


def test_input_is_kept_when_something_changes_elsewhere(
    watched: Watched, server: LiveServer, project: str, experiment: dict[str, Any]
) -> None:
    page = watched.page
    url = f"{server.url}/api/training/{project}/experiments/{experiment['id']}"
    watched.open(f"/projects/{project}/training?experiment={experiment['id']}")
    expect(page.locator("[data-live-state]")).to_have_text("Live")
    httpx.patch(url, json={"model": {"dropout": 0.3}})
    expect(page.get_by_label("Dropout", exact=True)).to_have_value("0.3")
    page.get_by_label("Dropout", exact=True).fill("0.5")
    httpx.patch(url, json={"model": {"dropout": 0.4}})
    expect(state_of(page)).to_contain_text("Changed elsewhere")
    expect(page.get_by_label("Dropout", exact=True)).to_have_value("0.5")
    page.get_by_role("button", name="Discard").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(page.get_by_label("Dropout", exact=True)).to_have_value("0.4")


@pytest.mark.slow
@ONE_LOOK
def test_what_a_run_takes_is_measured_on_demand(watched: Watched, project: str, experiment: dict[str, Any]) -> None:
    page = watched.page
    # Settings that nothing else in this module has run with.
    url = f"{watched.url}/api/training/{project}/experiments/{experiment['id']}"
    httpx.patch(url, json={"hyperparameters": {"image_size": 48}})
    watched.open(f"/projects/{project}/training?experiment={experiment['id']}")
    page.get_by_role("button", name=re.compile("^Measure")).click()
    forecast = page.locator("#training-forecast")
    expect(forecast.get_by_role("button", name="Cancel")).to_be_visible()
    expect(forecast).to_contain_text("short measurement of", timeout=120_000)
    expect(page.get_by_role("button", name=re.compile("^Measure"))).to_have_count(0)
