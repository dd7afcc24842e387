"""Each page of a project in its frame: axe in both themes, keyboard, live state, a server that goes and comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from app.config import Settings
from app.schemas.events import ExperimentStatusChanged
from app.schemas.projects import ProjectCreate
from tests.api.live import LiveServer, run_server
from tests.browser.conftest import Watched, wait_for
from tests.browser.test_pages import check_layout

pytestmark = pytest.mark.browser
NOUNS = ("dataset", "split", "training", "evaluation", "export", "compare", "playground")


@pytest.mark.parametrize("noun", [NOUNS[0], *(pytest.param(noun, marks=pytest.mark.slow) for noun in NOUNS[1:])])
def test_page_is_readable(watched: Watched, add_project: list[str], check_axe: Callable[..., None], noun: str) -> None:
    watched.open(f"/projects/{add_project[1]}/{noun}")
    expect(watched.page.locator("[data-live-state]")).to_have_text("Live")
    check_axe(watched.page)
    check_layout(watched, 8)
    expect(watched.page.locator(".project-tabs [aria-current=page]")).to_be_in_viewport()


def test_missing_page_is_readable(watched: Watched, check_axe: Callable[..., None]) -> None:
    watched.page.goto(f"{watched.url}/projects/proj-00000000/dataset")
    expect(watched.page.get_by_role("heading", name="Page not found")).to_be_visible()
    check_axe(watched.page)
    watched.forgive("404")


def test_events_reach_the_page_gathered_and_a_late_page_misses_nothing(
    watched: Watched, server: LiveServer, add_project: list[str]
) -> None:
    project = add_project[0]
    watched.open(f"/projects/{project}/split")
    expect(watched.page.locator("[data-live-state]")).to_have_text("Live")
    watched.page.evaluate(
        """() => { window.seen = []; window.topics = 0;
        document.body.addEventListener("live:EXPERIMENT_STATUS", event => window.seen.push(...event.detail.events));
        document.body.addEventListener("live:experiments", () => { window.topics += 1; }); }"""
    )
    for number in range(20):
        event = ExperimentStatusChanged(experiment_id=f"exp-{number:08x}", status="pending")
        server.studio.bus.publish(project, event)
    watched.wait_for("window.seen.length === 20")
    ids = watched.page.evaluate("window.seen.map(line => line.payload.experiment_id)")
    assert ids == [f"exp-{number:08x}" for number in range(20)]
    assert watched.page.evaluate("window.topics") < 20
    streams = [url for url in watched.requests if "/events?" in url]
    assert len(streams) == 1
    before = watched.page.evaluate("Studio.live.lastSeq()")
    watched.page.reload()
    assert watched.page.evaluate("Number(document.body.dataset.seq)") == before


def check_nothing_is_asked(watched: Watched) -> None:
    """Whatever would open the stream of a page that is alive opens none."""
    asked = len(watched.requests)
    watched.page.evaluate(
        """() => { for (const name of ["server:gone", "server:back"])
        document.body.dispatchEvent(new CustomEvent(name));
        dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true})); }"""
    )
    expect(watched.page.locator("[data-live-state]")).to_have_text("Project deleted")
    assert watched.requests[asked:] == []


def test_page_of_a_deleted_project_says_so(watched: Watched, server: LiveServer, add_project: list[str]) -> None:
    watched.open(f"/projects/{add_project[0]}/split")
    expect(watched.page.locator("[data-live-state]")).to_have_text("Live")
    server.studio.projects.delete_project(add_project[0])
    expect(watched.page.locator("#project-gone")).to_be_visible(timeout=20_000)
    expect(watched.page.locator("[data-live-state]")).to_have_text("Project deleted")
    check_nothing_is_asked(watched)


def test_project_deleted_while_the_page_was_cut_off_says_so_too(
    watched: Watched, server: LiveServer, add_project: list[str]
) -> None:
    page, events = watched.page, f"**/api/projects/{add_project[0]}/events?*"
    page.route(events, lambda route: route.abort())
    watched.open(f"/projects/{add_project[0]}/split")
    expect(page.locator("#server-gone")).to_be_visible(timeout=15_000)
    server.studio.projects.delete_project(add_project[0])
    page.unroute(events)
    expect(page.locator("#project-gone")).to_be_visible(timeout=20_000)
    expect(page.locator("#server-gone")).to_be_hidden()
    check_nothing_is_asked(watched)
    watched.overlook("404", "ERR_FAILED")


@pytest.fixture
def workspace(tmp_path: Path) -> Settings:
    """Settings of a server that is stopped and started again."""
    return Settings(workspace_root=tmp_path)


def test_server_that_goes_away_and_comes_back(browser: Browser, workspace: Settings) -> None:
    context = browser.new_context()
    page = context.new_page()
    with run_server(workspace) as live:
        task = live.studio.tasks.list_tasks().tasks[0].id
        project = live.studio.projects.create_project(ProjectCreate(name="Kept", task=task)).id
        page.goto(f"{live.url}/projects/{project}/dataset")
        expect(page.locator("[data-live-state]")).to_have_text("Live")
        page.evaluate(
            """() => { window.seen = 0; document.body.addEventListener("live:experiments",
            event => { window.seen += event.detail.events.length; }); }"""
        )
        port = live.port
    expect(page.locator("#server-gone")).to_be_visible(timeout=15_000)
    with run_server(workspace, port=port) as live:
        live.studio.bus.publish(project, ExperimentStatusChanged(experiment_id="exp-00000000", status="pending"))
        expect(page.locator("#server-gone")).to_be_hidden(timeout=15_000)
        expect(page.locator("[data-live-state]")).to_have_text("Live", timeout=15_000)
        wait_for(page, "window.seen === 1")
        context.close()


def test_looking_again_and_again_starts_one_search_only(watched: Watched) -> None:
    page = watched.page
    looks: list[str] = []

    def refuse(route: Route) -> None:
        looks.append(route.request.url)
        route.abort()

    watched.open("/projects")
    page.route("**/api/system/health", refuse)
    page.evaluate("Studio.connection.lost()")
    for _ in range(6):
        page.get_by_role("button", name="Try now").click()
    page.wait_for_timeout(3000)
    assert 6 <= len(looks) <= 12
    page.unroute("**/api/system/health")
    page.get_by_role("button", name="Try now").click()
    expect(page.locator("#server-gone")).to_be_hidden()
    watched.forgive("ERR_FAILED")


def test_the_tab_key_begins_at_the_top_of_a_page_of_a_project(watched: Watched, add_project: list[str]) -> None:
    watched.open(f"/projects/{add_project[0]}/playground")
    watched.page.keyboard.press("Tab")
    assert watched.page.evaluate("document.activeElement.textContent").strip() == "Skip to main content"
    row = watched.page.locator(".project-tabs").bounding_box()
    tab = watched.page.locator('.project-tabs [aria-current="page"]').bounding_box()
    assert row is not None
    assert tab is not None
    assert row["x"] <= tab["x"] + 1
    assert tab["x"] + tab["width"] <= row["x"] + row["width"] + 1
