"""The projects in a browser: a first visit that ends with a trained model, and all that one does with projects."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from app.config import Settings
from app.core.importing import samples as sample_service
from app.schemas.projects import ProjectCreate
from app.tasks.registry import list_samples
from tests.api.live import LiveServer, run_server
from tests.browser.conftest import Watched
from tests.browser.test_pages import check_layout

pytestmark = pytest.mark.browser


@pytest.fixture
def short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples whose first run has one epoch."""
    short = {}
    for task_id, sample in list_samples().items():
        hyperparameters = {**sample.first_run.hyperparameters, "max_epochs": 1}
        run = dataclasses.replace(sample.first_run, hyperparameters=hyperparameters)
        short[task_id] = dataclasses.replace(sample, first_run=run)
    monkeypatch.setattr(sample_service, "list_samples", lambda: short)


@pytest.fixture
def first_visit(browser: Browser, tmp_path: Path, short_runs: None) -> Iterator[Watched]:
    """A page of a server of its own with nothing in it."""
    with run_server(Settings(workspace_root=tmp_path, warm_spare=False)) as live:
        context = browser.new_context()
        watched = Watched(context.new_page(), live.url)
        watched.watch()
        yield watched
        context.close()
        assert watched.complaints == []


@pytest.mark.slow
def test_a_first_visit_reaches_a_trained_model_by_two_presses(first_visit: Watched) -> None:
    page = first_visit.page
    first_visit.open("/")
    page.get_by_role("button", name="Try the sample project").click()
    expect(page).to_have_url(re.compile(r"/projects/proj-[0-9a-f]{8}/start$"))
    expect(page.locator("#first-steps")).to_contain_text("Next: train", timeout=30_000)
    project = page.url.split("/")[-2]
    train = page.get_by_role("button", name="Train Small network")
    expect(train).to_be_visible(timeout=30_000)
    expect(page.locator(".first-steps__row[data-state=done]")).to_have_count(3)
    train.click()
    expect(page).to_have_url(f"{first_visit.url}/projects/{project}/training")
    page.goto(f"{first_visit.url}/projects/{project}/start")
    expect(page.get_by_role("heading", name="Next: evaluate the model")).to_be_visible(timeout=60_000)
    first_visit.open("/projects")
    expect(page.locator(".card")).to_have_count(1)
    expect(page.locator(".card")).to_contain_text("1,797")


def test_a_new_project_is_made_and_a_bad_name_is_refused(
    watched: Watched, server: LiveServer, add_project: list[str], check_axe: Callable[..., None]
) -> None:
    page = watched.page
    watched.open("/projects")
    page.get_by_role("button", name="New project", exact=True).click()
    dialog = page.get_by_role("dialog", name="New project")
    dialog.get_by_role("radio").last.check()
    name = dialog.get_by_label("Name", exact=True)
    is_valid = "field => field.checkValidity()"
    for text, expected in {
        "Äpfel": True,
        "हिन्दी 中文 (1.0)": True,
        "a\u0308+ẞ": True,
        "50%": False,
        "-a": False,
    }.items():
        name.fill(text)
        assert name.evaluate(is_valid) is expected, text
    name.fill("x" * 81)  # the server counts characters, after it has composed them
    check_axe(page)
    check_layout(watched, 20)
    dialog.get_by_role("button", name="Create project").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    expect(dialog.get_by_label("Name", exact=True)).to_be_focused()
    watched.forgive("422")
    dialog.get_by_label("Name", exact=True).fill("Äpfel")
    dialog.get_by_role("button", name="Create project").click()
    expect(page).to_have_url(re.compile("/dataset$"))
    project = server.studio.projects.get_project(page.url.split("/")[-2])
    assert (project.name, project.description) == ("Äpfel", None)
    assert project.task == server.studio.tasks.list_tasks().tasks[-1].id
    watched.open("/projects")
    server.studio.projects.delete_project(project.id)


def test_a_project_is_renamed_copied_and_deleted_and_another_tab_sees_it(
    watched: Watched, server: LiveServer, add_project: list[str], check_axe: Callable[..., None]
) -> None:
    page, plain = watched.page, add_project[0]
    watched.open("/projects")
    other = page.context.new_page()
    other.goto(f"{watched.url}/projects")
    page.locator(f"#rename-{plain}").click()
    dialog = page.get_by_role("dialog", name="Rename Plain")
    expect(dialog.get_by_label("Name", exact=True)).to_be_focused()
    check_axe(page)
    dialog.get_by_label("Name", exact=True).fill("Renamed")
    page.keyboard.press("Enter")
    expect(page.locator(f"#{plain}")).to_contain_text("Renamed")
    expect(dialog).to_be_hidden()
    expect(other.locator(f"#{plain}")).to_contain_text("Renamed", timeout=10_000)
    other.close()

    page.locator(f"#duplicate-{plain}").click()
    expect(page.get_by_role("dialog")).to_contain_text("Nothing else is copied")
    check_axe(page)
    page.get_by_role("button", name="Create project").click()
    expect(page).to_have_url(re.compile("/dataset$"))
    expect(page.locator(".toast")).to_contain_text("Created Renamed copy with the task of Renamed")
    copy = page.url.split("/")[-2]
    assert server.studio.projects.get_project(copy).task == server.studio.projects.get_project(plain).task

    watched.open("/projects")
    page.locator(f"#delete-{copy}").click()
    check_axe(page)
    page.get_by_role("button", name="Delete project").click()
    expect(page.locator(f"#{copy}")).to_have_count(0)
    expect(page.locator(".toast")).to_contain_text("Renamed copy was deleted")
    assert copy not in {project.id for project in server.studio.projects.list_projects().projects}


def test_the_keyboard_opens_a_project_and_the_focus_comes_back(watched: Watched, add_project: list[str]) -> None:
    page, tricky = watched.page, add_project[1]
    watched.open("/projects")
    page.locator(f"#delete-{tricky}").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(f"#delete-{tricky}")).to_be_focused()
    httpx.patch(f"{watched.url}/api/projects/{tricky}", json={"name": "Told by another"})
    expect(page.locator(f"#{tricky}")).to_contain_text("Told by another", timeout=10_000)
    expect(page.locator(f"#delete-{tricky}")).to_be_focused()  # what is live takes nothing away
    page.locator(f"#open-{tricky}").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/projects/{tricky}/dataset$"))


@pytest.fixture
def thirty(server: LiveServer) -> Iterator[list[str]]:
    """More projects than a page holds."""
    task = server.studio.tasks.list_tasks().tasks[0].id
    made = [
        server.studio.projects.create_project(ProjectCreate(name=f"Project {number:02d}", task=task)).id
        for number in range(30)
    ]
    yield made
    for project_id in made:
        server.studio.projects.delete_project(project_id)


def test_search_order_and_page_are_in_the_address(
    watched: Watched, thirty: list[str], check_axe: Callable[..., None]
) -> None:
    page, cards = watched.page, watched.page.locator(".card")
    watched.open("/projects?search=Project")  # those of other tests are not counted
    check_axe(page)
    check_layout(watched, 100)
    page.get_by_label("Sort by").select_option("name")
    expect(cards.first).to_contain_text("Project 00")
    page.get_by_role("link", name="Next page").click()
    expect(cards).to_have_count(6)
    expect(page).to_have_url(re.compile("sort_by=name&page=2$"))
    page.reload()
    expect(cards.first).to_contain_text("Project 24")
    page.get_by_label("Search projects").press("End")
    page.get_by_label("Search projects").press_sequentially(" 17")
    expect(cards).to_have_count(1)
    expect(page.get_by_label("Search projects")).to_be_focused()
    page.get_by_label("Search projects").fill("nothing like it")
    expect(page.get_by_role("heading", name="No project matches")).to_be_visible()
    check_axe(page)
    page.go_back()
    expect(cards).to_have_count(1)
    expect(page.get_by_label("Search projects")).to_have_value("Project 17")


def test_the_first_steps_are_readable(watched: Watched, add_project: list[str], check_axe: Callable[..., None]) -> None:
    watched.open(f"/projects/{add_project[1]}/start")
    expect(watched.page.get_by_role("heading", name="Next: import images")).to_be_visible()
    check_axe(watched.page)
    check_layout(watched, 15)


def test_samples_can_be_chosen_later(watched: Watched, add_project: list[str], check_axe: Callable[..., None]) -> None:
    watched.open("/projects")
    watched.page.get_by_role("button", name="Sample projects").click()
    dialog = watched.page.get_by_role("dialog", name="Sample projects")
    expect(dialog.get_by_role("button", name="Create sample project")).to_have_count(len(list_samples()))
    check_axe(watched.page)
    check_layout(watched, 20)
