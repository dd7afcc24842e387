"""Parts that fetch themselves again: what is the same is left, a press is not swallowed, the focus stays."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.api.live import LiveServer
from tests.browser.conftest import Watched
from tests.core.conftest import draw_class_folders

pytestmark = pytest.mark.browser
FETCH = """() => { window.fetched = 0;
  document.body.addEventListener("htmx:afterRequest", () => { window.fetched += 1; }); }"""
AGAIN = """document.body.dispatchEvent(new CustomEvent("splits-changed"))"""
MARK = """() => { document.getElementById("split-list").marked = true; }"""
IS_MARKED = """document.getElementById("split-list").marked === true"""
FOCUSED = """document.activeElement.getAttribute("aria-label")"""


@pytest.fixture
def page(watched: Watched, server: LiveServer, tmp_path: Path) -> Iterator[Page]:
    """The split page of a project with one split; `window.fetched` counts the answers."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        task = next(t for t in client.get("/api/tasks").json()["data"]["tasks"] if t["annotation_kind"] == "label")
        project: str = client.post("/api/projects", json={"name": "Bolts", "task": task["id"]}).json()["data"]["id"]
        body = {"source_path": str(draw_class_folders(tmp_path / "folders"))}
        started = client.post(f"/api/datasets/{project}/import/local", json=body).json()["data"]
        server.studio.scheduler.wait(started["job_id"], 60)
        client.post(f"/api/splits/{project}", json={"name": "main"}).raise_for_status()
        watched.open(f"/projects/{project}/split")
        expect(watched.page.locator("[data-live-state]")).to_have_text("Live")
        watched.page.evaluate(FETCH)
        yield watched.page
        client.delete(f"/api/projects/{project}")


def add_split(page: Page, name: str) -> None:
    """Make a split as another tab would."""
    project = page.evaluate("document.body.dataset.projectId")
    origin = page.evaluate("location.origin")
    httpx.post(f"{origin}/api/splits/{project}", json={"name": name}).raise_for_status()


def test_part_that_says_the_same_is_left_as_it_is(watched: Watched, page: Page) -> None:
    page.evaluate(AGAIN)
    watched.wait_for("window.fetched >= 1")
    page.evaluate(MARK)
    before = page.evaluate("window.fetched")
    page.evaluate(AGAIN)
    watched.wait_for(f"window.fetched > {before}")
    assert page.evaluate(IS_MARKED)
    add_split(page, "other")
    expect(page.get_by_role("heading", name="other")).to_be_visible()
    assert not page.evaluate(IS_MARKED)


def test_change_during_an_answer_is_not_missed(watched: Watched, page: Page) -> None:
    answers = 0

    def hold(route: Route) -> None:
        nonlocal answers
        answer = route.fetch()
        answers += 1
        if answers == 1:
            add_split(page, "second")
            time.sleep(1.0)  # its event comes while this answer, which does not have it, is on its way
        route.fulfill(response=answer)

    add_split(page, "first")
    page.route("**/split/split-list", hold)
    page.evaluate(AGAIN)
    expect(page.get_by_role("heading", name="first")).to_be_visible()
    expect(page.get_by_role("heading", name="second")).to_be_visible()
    assert answers >= 2


def test_press_on_a_part_that_changes_meanwhile_is_not_lost(watched: Watched, page: Page) -> None:
    button = page.get_by_role("button", name="Show all classes of main")
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    add_split(page, "other")
    watched.wait_for("window.fetched >= 1")
    expect(page.get_by_role("heading", name="other")).to_have_count(0)
    page.mouse.up()
    expect(page.locator("#split-figures td").first).to_have_text("blue")
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="other")).to_be_visible()


def test_answer_to_a_question_counts_although_the_part_was_drawn_anew(page: Page) -> None:
    page.get_by_role("button", name="Delete main").click()
    add_split(page, "other")
    expect(page.get_by_role("heading", name="other", include_hidden=True)).to_have_count(1)
    page.get_by_role("button", name="Delete split").click()
    expect(page.get_by_role("heading", name="main", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Delete other").click()
    project = page.evaluate("document.body.dataset.projectId")
    httpx.delete(f"{page.evaluate('location.origin')}/api/splits/{project}/other").raise_for_status()
    expect(page.get_by_text("No split yet", exact=True)).to_have_count(1)
    page.get_by_role("button", name="Delete split").click()
    expect(page.locator("#toasts")).to_contain_text("so nothing was done")


def test_focus_stays_on_the_same_control(watched: Watched, page: Page) -> None:
    page.get_by_role("button", name="Show all classes of main").focus()
    add_split(page, "other")
    expect(page.get_by_role("heading", name="other")).to_be_visible()
    watched.wait_for(f"{FOCUSED} === 'Show all classes of main'")
    page.get_by_role("button", name="Delete other").focus()
    project = page.evaluate("document.body.dataset.projectId")
    httpx.delete(f"{page.evaluate('location.origin')}/api/splits/{project}/other").raise_for_status()
    expect(page.get_by_role("heading", name="other")).to_have_count(0)
    watched.wait_for("document.activeElement.id === 'content'")


def test_age_grows_while_the_page_is_open(page: Page) -> None:
    age = page.locator(".split-cards time[data-age]")
    expect(age).to_have_text("just now")
    page.clock.install()
    page.reload()
    page.clock.fast_forward(190_000)
    expect(age).to_have_text("3 minutes ago")
