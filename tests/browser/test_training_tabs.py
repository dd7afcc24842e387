"""The settings of an experiment while someone else changes, renames or deletes it, or the server is away."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from app.core.studio import Studio
from app.schemas.experiments import ExperimentRecord, ExperimentUpdate
from tests.api.imported import imported_workspace as imported_workspace
from tests.api.imported import project as project
from tests.api.imported import server as server
from tests.api.live import LiveServer
from tests.browser.conftest import Watched
from tests.browser.test_pages import check_layout
from tests.core.conftest import create_experiment

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def experiment(server: LiveServer, project: str) -> ExperimentRecord:
    """A new experiment."""
    return create_experiment(server.studio, project, "Mine", max_epochs=3)


def open_settings(tab: Watched, project: str, experiment: ExperimentRecord) -> Page:
    """Show the settings with some parts unfolded."""
    tab.open(f"/projects/{project}/training?experiment={experiment.id}")
    expect(tab.page.locator("[data-live-state]")).to_have_text("Live")
    for name in ("optimizer", "training", "augmentation"):
        tab.page.locator(f"#section-{name} > summary").click()
    expect(tab.page.locator("#steps-train .step")).to_have_count(3)
    return tab.page


def field(page: Page, label: str) -> Locator:
    return page.locator("#settings-form").get_by_label(label, exact=True)


def state_of(page: Page) -> Locator:
    return page.locator("[data-save-state]")


def save(page: Page) -> None:
    page.locator("[data-save-bar]").get_by_role("button", name="Save").click()


def change(studio: Studio, project: str, experiment: ExperimentRecord, **changes: object) -> None:
    studio.experiments.update_experiment(project, experiment.id, ExperimentUpdate.model_validate(changes))


def test_two_tabs_that_change_different_settings_both_keep_theirs(
    tabs: Callable[[], Watched], server: LiveServer, project: str, experiment: ExperimentRecord
) -> None:
    here, there = (open_settings(tabs(), project, experiment) for _ in range(2))
    field(there, "Batch size").fill("5")
    field(here, "Max epochs").fill("11")
    here.get_by_role("button", name="Remove Horizontal flip").click()
    save(here)
    expect(state_of(here)).to_have_text("All changes are saved")
    expect(state_of(there)).to_have_text("Changed elsewhere: Max epochs, Augmentation. Saving keeps both changes.")
    save(there)
    expect(state_of(there)).to_have_text("All changes are saved")
    record = server.studio.experiments.get_experiment(project, experiment.id)
    assert (record.hyperparameters["max_epochs"], record.hyperparameters["batch_size"]) == (11, 5)
    assert len(record.augmentations.train) == 2
    for page in (here, there):
        expect(field(page, "Max epochs")).to_have_value("11")
        expect(field(page, "Batch size")).to_have_value("5")
        expect(page.locator("#steps-train .step")).to_have_count(2)
    field(there, "Max epochs").fill("12")
    field(here, "Max epochs").fill("13")
    save(here)
    expect(state_of(there)).to_have_text(
        "Changed elsewhere too: Max epochs. Save to keep yours, Discard to use theirs."
    )
    expect(field(there, "Max epochs")).to_have_value("12")
    there.get_by_role("button", name="Discard").click()
    there.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(field(there, "Max epochs")).to_have_value("13")
    expect(state_of(there)).to_have_text("All changes are saved")


def test_a_change_that_this_tab_was_not_told_of_is_kept_and_shown(
    tabs: Callable[[], Watched], server: LiveServer, project: str, experiment: ExperimentRecord
) -> None:
    page = open_settings(tabs(), project, experiment)
    page.evaluate("document.body.addEventListener('live:experiments', event => event.stopImmediatePropagation(), true)")
    change(server.studio, project, experiment, hyperparameters={"max_epochs": 11})
    field(page, "Batch size").fill("5")
    field(page, "Batch size").press("Enter")
    expect(field(page, "Max epochs")).to_have_value("11")
    expect(field(page, "Batch size")).to_be_focused()
    record = server.studio.experiments.get_experiment(project, experiment.id)
    assert (record.hyperparameters["max_epochs"], record.hyperparameters["batch_size"]) == (11, 5)


@pytest.mark.parametrize("watched", [("dark", 390)], indirect=True, ids=["dark-390"])
def test_bar_does_not_cover_what_is_typed_in(
    watched: Watched, server: LiveServer, project: str, experiment: ExperimentRecord
) -> None:
    page = open_settings(watched, project, experiment)
    page.locator("#section-training > summary").scroll_into_view_if_needed()
    field(page, "Max epochs").evaluate("element => element.scrollIntoView({block: 'end'})")
    field(page, "Max epochs").press("1")
    change(server.studio, project, experiment, hyperparameters={"max_epochs": 5, "batch_size": 7})
    expect(state_of(page)).to_contain_text("Changed elsewhere too")
    typed, bar = field(page, "Max epochs").bounding_box(), page.locator("[data-save-bar]").bounding_box()
    assert typed
    assert bar
    assert typed["y"] + typed["height"] <= bar["y"]
    check_layout(watched, 80)


def test_changes_are_discarded_again_and_again(
    tabs: Callable[[], Watched], project: str, experiment: ExperimentRecord
) -> None:
    page = open_settings(tabs(), project, experiment)
    for _ in range(3):
        field(page, "Max epochs").fill("77")
        page.get_by_role("button", name="Discard").click()
        page.get_by_role("dialog").get_by_role("button", name="Discard").click()
        expect(field(page, "Max epochs")).to_have_value("3")


def test_a_new_name_is_shown_in_place_and_is_no_change_of_settings(
    tabs: Callable[[], Watched], server: LiveServer, project: str, experiment: ExperimentRecord
) -> None:
    page = open_settings(tabs(), project, experiment)
    field(page, "Max epochs").fill("11")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("dialog").get_by_label("Name")).to_be_focused()
    page.get_by_role("dialog").get_by_label("Name").fill("Better")
    page.get_by_role("dialog").get_by_label("Description").fill("With more epochs")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.locator(".settings-head h2")).to_have_text("Better")
    expect(page.locator("[data-description]")).to_have_text("With more epochs")
    expect(page.locator("#run-title")).to_contain_text("Better")
    expect(page).to_have_title("Better · Training · Bolts · AI Studio")
    expect(state_of(page)).to_have_text("Unsaved changes")
    expect(field(page, "Max epochs")).to_have_value("11")
    page.get_by_role("button", name="Discard").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    change(server.studio, project, experiment, name="Best")
    expect(page).to_have_title("Best · Training · Bolts · AI Studio")
    expect(page.get_by_role("region", name="Settings of Best")).to_be_visible()


def test_what_was_deleted_elsewhere_is_not_shown_any_more(
    tabs: Callable[[], Watched], server: LiveServer, project: str, experiment: ExperimentRecord
) -> None:
    tab = tabs()
    page = open_settings(tab, project, experiment)
    field(page, "Max epochs").fill("11")
    expect(page.get_by_text("This experiment does not exist")).to_be_hidden()
    server.studio.experiments.delete_experiment(project, experiment.id)
    expect(page.get_by_text("This experiment does not exist")).to_be_visible()
    expect(page.locator("#experiment-gone")).to_be_focused()
    expect(page.locator("#training-settings, #training-results, [data-train]")).to_have_count(0)
    expect(page.locator(f"#select-{experiment.id}")).to_have_count(0)
    page.reload()
    expect(page.locator("#training-settings")).to_have_count(0)
    tab.overlook("404")  # the page may have asked for the checks of the new value just then


def test_save_and_train_is_tried_again_when_the_server_is_back(
    tabs: Callable[[], Watched], server: LiveServer, project: str, experiment: ExperimentRecord
) -> None:
    tab = tabs()
    page = open_settings(tab, project, experiment)
    field(page, "Max epochs").fill("4")
    page.context.set_offline(True)
    page.get_by_role("button", name="Save and train").click()
    expect(state_of(page)).to_have_text("Not saved and not trained: the server is not responding.")
    page.context.set_offline(False)
    expect(page.locator("#server-gone")).to_be_hidden(timeout=10_000)
    page.locator(".toast--error").get_by_role("button", name="Retry").click()
    expect(page.locator("#training-results")).to_have_attribute("data-status", "completed", timeout=15_000)
    record = server.studio.experiments.get_experiment(project, experiment.id)
    assert (record.status, record.hyperparameters["max_epochs"]) == ("completed", 4)
    tab.forgive("htmx:", "ERR_INTERNET_DISCONNECTED")


def test_save_alone_does_not_train_what_could_not_be_saved_before(
    tabs: Callable[[], Watched], server: LiveServer, project: str, experiment: ExperimentRecord
) -> None:
    tab = tabs()
    page = open_settings(tab, project, experiment)
    field(page, "Max epochs").fill("4")
    page.context.set_offline(True)
    page.get_by_role("button", name="Save and train").click()
    expect(state_of(page)).to_contain_text("Not saved")
    page.context.set_offline(False)
    expect(page.locator("#server-gone")).to_be_hidden(timeout=10_000)
    save(page)
    expect(state_of(page)).to_have_text("All changes are saved")
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_visible()
    assert server.studio.experiments.get_experiment(project, experiment.id).status == "created"
    tab.forgive("htmx:", "ERR_INTERNET_DISCONNECTED")


def test_what_cannot_be_read_is_marked_and_not_sent(
    tabs: Callable[[], Watched], server: LiveServer, project: str, experiment: ExperimentRecord
) -> None:
    page = open_settings(tabs(), project, experiment)
    step = page.locator("#steps-train .step").first
    step.locator("summary").click()
    size = step.locator('[name="augmentations.train.0.params.size"]')
    size.fill("[32,")
    step.locator("summary").click()
    save(page)
    expect(state_of(page)).to_have_text("Not saved: correct the marked settings.")
    expect(size).to_be_focused()
    expect(size).to_have_attribute("aria-invalid", "true")
    size.fill("[32, 48]")
    save(page)
    expect(state_of(page)).to_have_text("All changes are saved")
    record = server.studio.experiments.get_experiment(project, experiment.id)
    assert record.augmentations.train[0].params["size"] == [32, 48]


def test_a_page_without_experiments_shows_the_first_one_of_another_tab_once_no_dialog_is_open(
    tabs: Callable[[], Watched], server: LiveServer, project: str
) -> None:
    page = (here := tabs()).page
    here.open(f"/projects/{project}/training")
    expect(page.locator("[data-live-state]")).to_have_text("Live")
    page.get_by_role("button", name="New experiment").first.click()
    create_experiment(server.studio, project, "Theirs", max_epochs=3)
    expect(page.get_by_text("Theirs")).to_have_count(0)
    page.wait_for_timeout(600)  # what was told is gathered for a moment
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Theirs")).to_be_visible()
