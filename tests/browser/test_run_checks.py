"""What will go wrong in a run is said beside Train, for what stands in the form, and one press fixes it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from app.core import weights as weights_module
from app.models.architectures import ARCHITECTURES
from tests.api.imported import imported_workspace as imported_workspace
from tests.api.imported import project as project
from tests.api.imported import server as server
from tests.api.live import LiveServer
from tests.browser.conftest import Watched
from tests.browser.test_pages import check_layout
from tests.core.conftest import create_experiment, train_to_end

pytestmark = pytest.mark.browser
NESTED = [
    {"field": "augmentations.train.0.params.scale", "message": "Too small."},
    {"field": "augmentations.train.9.params.p", "message": "Too large."},
    {"field": "split_name", "message": "No such split."},
]
CONTENT = b"weights of a very small network"


def notice(page: Page, title: str) -> Locator:
    return page.locator("#run-checks .notice", has_text=title)


def read(watched: Watched, project: str, experiment: str) -> dict[str, Any]:
    answer = httpx.get(f"{watched.url}/api/training/{project}/experiments/{experiment}")
    record: dict[str, Any] = answer.json()["data"]
    return record


def test_problems_are_told_and_one_press_fixes_each(
    watched: Watched, server: LiveServer, project: str, check_axe: Callable[..., None]
) -> None:
    record = create_experiment(server.studio, project, "checked", batch_size=32)
    watched.open(f"/projects/{project}/training?experiment={record.id}")
    page = watched.page
    steps = notice(page, "Very few steps")
    expect(steps).to_contain_text("The batch size is larger than the 12 training images.")
    expect(page.locator("#run-checks details")).to_contain_text("Good to know")
    check_axe(page)
    check_layout(watched, 80)
    steps.get_by_role("button", name="Use batch size 4 and 17 epochs").click()
    expect(steps).to_have_count(0)
    expect(page.get_by_label("Batch size", exact=True)).to_have_value("4")
    saved = read(watched, project, record.id)["hyperparameters"]
    assert (saved["batch_size"], saved["max_epochs"]) == (4, 17)


def test_what_is_not_saved_yet_is_checked_too(tabs: Callable[[], Watched], server: LiveServer, project: str) -> None:
    record = create_experiment(server.studio, project, "unsaved", batch_size=4, max_epochs=100)
    tab = tabs()
    tab.open(f"/projects/{project}/training?experiment={record.id}")
    page = tab.page
    frozen = notice(page, "The frozen backbone is random")
    expect(frozen).to_have_count(0)
    page.get_by_label("Freeze backbone", exact=True).check()
    expect(frozen).to_be_visible()
    assert read(tab, project, record.id)["model"]["freeze_backbone"] is False
    page.get_by_label("Freeze backbone", exact=True).uncheck()
    expect(frozen).to_have_count(0)
    page.locator("#section-optimizer > summary").click()
    page.get_by_label("Learning rate", exact=True).fill("3")
    expect(notice(page, "The learning rate is very high")).to_be_visible()
    page.get_by_label("Learning rate", exact=True).fill("-3")  # refused when it is saved, and nothing is asked again
    expect(notice(page, "The learning rate is very high")).to_be_hidden()
    page.get_by_label("Learning rate", exact=True).fill("4")
    expect(notice(page, "The learning rate is very high")).to_be_visible()
    page.locator("#section-augmentation > summary").click()
    page.locator("[data-step=RandomResizedCrop] summary").click()
    page.get_by_label("Scale", exact=True).fill("foo")  # only the server can refuse this
    expect(notice(page, "The learning rate is very high")).to_be_hidden()
    page.get_by_role("button", name="Save changes").click()
    refusal = "Enter two increasing numbers from 0.01 to 1, such as 0.7, 1.0; 'foo' is not a number."
    expect(page.locator("#settings-form [data-form-errors] li")).to_have_text(f"Scale: {refusal}")
    told = page.evaluate("problem => Studio.problemText(problem)", {"message": "No.", "details": NESTED})
    assert told == "Scale: Too small. augmentations.train.9.params.p: Too large. No such split."
    tab.forgive("422")
    page.get_by_label("Scale", exact=True).fill("[0.5, 1.0]")
    notice(page, "The learning rate is very high").get_by_role("button", name="Use 0.001").click()
    expect(page.get_by_label("Learning rate", exact=True)).to_have_value("0.001")
    expect(notice(page, "The learning rate is very high")).to_have_count(0)


def test_missing_weights_are_added_from_a_file(
    tabs: Callable[[], Watched], server: LiveServer, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"resnet18-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"
    small = ARCHITECTURES[0].model_copy(update={"weights_file": name})
    monkeypatch.setattr(weights_module, "_list_architectures", lambda: [small])
    monkeypatch.setattr(server.studio.weights, "_can_reach", lambda _: False)
    record = create_experiment(server.studio, project, "weights", batch_size=4, max_epochs=100)
    tab = tabs()
    tab.open(f"/projects/{project}/training?experiment={record.id}")
    page = tab.page
    page.get_by_label("Pretrained", exact=True).check()
    missing = notice(page, "Pretrained weights are missing")
    expect(missing).to_contain_text("cannot be reached from here, so the run would fail")
    for content, words in ((b"something else", "not a file of published weights"), (CONTENT, f"Added {name}")):
        path = tmp_path / "downloaded (1).pth"
        path.write_bytes(content)
        with page.expect_file_chooser() as chosen:
            missing.get_by_role("button", name="Add the weights file").click()
        chosen.value.set_files(path)
        expect(page.locator("#toasts")).to_contain_text(words)
    tab.forgive("422")
    assert (server.studio.weights.directory / name).read_bytes() == CONTENT
    missing.get_by_role("button", name="Train from scratch").click()
    expect(missing).to_have_count(0)
    expect(page.get_by_label("Pretrained", exact=True)).not_to_be_checked()
    expect(page.locator("[data-save-state]")).to_have_text("All changes are saved")


def test_a_completed_experiment_is_trained_further_with_one_press(
    tabs: Callable[[], Watched], server: LiveServer, project: str
) -> None:
    record = train_to_end(server.studio, project, create_experiment(server.studio, project, "done"))
    for button in ("#settings-more", "#run-more"):
        tab = tabs()
        tab.open(f"/projects/{project}/training?experiment={record.id}")
        expect(tab.page.locator(button)).to_contain_text("Train 2 more epochs")
        tab.page.locator(button).click()
        expect(tab.page.locator("#training-settings h2")).to_contain_text("done 2 more epochs")
        expect(tab.page.locator("#training-results")).to_have_attribute("data-status", "completed", timeout=15_000)
    assert len([item for item in server.studio.experiments.list_experiments(project).experiments if item.parent]) == 2
