"""The split page in a real browser: sliders that sum to 100, preview, creation, browsing, deletion, two tabs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Route, expect

from tests.api.live import LiveServer
from tests.browser.conftest import Watched
from tests.browser.test_pages import check_layout
from tests.core.conftest import draw_class_folders

pytestmark = pytest.mark.browser
CheckAxe = Callable[..., None]
SHARES = """["train", "val", "test"].map(
  name => Number(document.querySelector(`input[type=range][data-share=${name}]`).value))"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with twenty images of two classes."""
    return str(draw_class_folders(tmp_path_factory.mktemp("images") / "folders"))


@pytest.fixture
def project(server: LiveServer, source: str) -> Iterator[str]:
    """A project with images and no split."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        task = next(t for t in client.get("/api/tasks").json()["data"]["tasks"] if t["annotation_kind"] == "label")
        identifier: str = client.post("/api/projects", json={"name": "Bolts", "task": task["id"]}).json()["data"]["id"]
        started = client.post(f"/api/datasets/{identifier}/import/local", json={"source_path": source}).json()["data"]
        if "job_id" in started:
            server.studio.scheduler.wait(started["job_id"], 60)
        yield identifier
        client.delete(f"/api/projects/{identifier}")


def test_split_is_drawn_browsed_and_deleted_by_clicks(watched: Watched, project: str, check_axe: CheckAxe) -> None:
    watched.open(f"/projects/{project}/split")
    page = watched.page
    check_axe(page)
    page.get_by_role("button", name="New split").click()
    expect(page.get_by_label("Name")).to_be_focused()
    expect(page.get_by_label("Name")).to_have_value("main")
    expect(page.locator("#split-preview .subsets__count")).to_have_text(["14", "3", "3"], timeout=30_000)
    page.get_by_label("Validation percentage, as a number").fill("30")
    assert page.evaluate(SHARES) == [55, 30, 15]
    expect(page.locator("#split-preview .subsets__count")).to_have_text(["11", "6", "3"])
    check_axe(page, "#new-split")
    before = page.get_by_label("Seed", exact=True).input_value()
    page.get_by_role("button", name="New random seed").click()
    assert page.get_by_label("Seed", exact=True).input_value() != before
    page.get_by_role("button", name="Create split").click()
    expect(page.locator(".split-cards > .card")).to_have_count(1)
    expect(page.get_by_role("heading", name="main", exact=True)).to_be_visible()
    check_axe(page)
    check_layout(watched, 20)
    page.get_by_role("button", name="Show all classes of main").click()
    expect(page.locator("#split-figures td").first).to_have_text("blue")
    page.keyboard.press("Escape")
    link = page.get_by_role("link", name="Browse training: 11 images of main")
    assert link.get_attribute("href") == f"/projects/{project}/dataset?split=main&subset=train"
    page.get_by_role("button", name="Delete main").click()
    expect(page.locator("#confirm")).to_contain_text("No experiment uses this split")
    page.get_by_role("button", name="Delete split").click()
    expect(page.get_by_text("No split yet")).to_be_visible()


def test_sliders_obey_the_keyboard_and_always_sum_to_100(watched: Watched, project: str) -> None:
    watched.open(f"/projects/{project}/split")
    page = watched.page
    page.get_by_role("button", name="New split").click()
    train = page.get_by_label("Training percentage", exact=True)
    train.focus()
    for key, expected in (("ArrowRight", [71, 15, 14]), ("End", [100, 0, 0]), ("Home", [1, 50, 49])):
        page.keyboard.press(key)
        shares = page.evaluate(SHARES)
        assert sum(shares) == 100
        assert shares == expected
    page.get_by_label("Test percentage", exact=True).focus()
    page.keyboard.press("End")
    assert page.evaluate(SHARES) == [1, 0, 99]
    expect(page.locator("#split-preview .subsets__count")).to_have_text(["1", "0", "19"])
    page.get_by_label("Name").fill("-no")
    page.get_by_role("button", name="Create split").click()
    assert not page.get_by_label("Name").evaluate("field => field.checkValidity()")
    expect(page.locator("#new-split")).to_be_visible()


def test_other_tab_sees_a_split_and_a_taken_name_is_refused(watched: Watched, server: LiveServer, project: str) -> None:
    watched.open(f"/projects/{project}/split")
    page = watched.page
    expect(page.locator("[data-live-state]")).to_have_text("Live")
    # The first split of a server imports scikit-learn.
    httpx.post(f"{server.url}/api/splits/{project}", json={"name": "from elsewhere"}, timeout=60).raise_for_status()
    expect(page.get_by_role("heading", name="from elsewhere")).to_be_visible()
    page.get_by_role("button", name="New split").click()
    page.get_by_label("Name").fill("from elsewhere")
    page.get_by_role("button", name="Create split").click()
    expect(page.locator("#new-split [data-form-errors]")).to_have_text(
        "Please correct:Name: Another split has this name. Choose another one."
    )
    expect(page.get_by_label("Name")).to_be_focused()
    watched.forgive("409")


def test_two_presses_make_one_split(watched: Watched, project: str) -> None:
    page = watched.page
    sent: list[str] = []

    def hold(route: Route) -> None:
        sent.append(route.request.method)
        page.get_by_role("button", name="Create split").dispatch_event("click", {"detail": 1})
        route.continue_()

    watched.open(f"/projects/{project}/split")
    page.route(f"**/api/splits/{project}", hold)
    for number in range(2):
        page.get_by_role("button", name="New split").first.click()
        page.get_by_role("button", name="Create split").dblclick()
        expect(page.locator(".split-cards > .card")).to_have_count(number + 1)
    page.wait_for_timeout(300)
    assert sent == ["POST", "POST"]
