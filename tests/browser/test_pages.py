"""The start page and the reference in a real browser, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import expect

from tests.api.live import LiveServer
from tests.api.operations import NUM_OPERATIONS
from tests.browser.conftest import Watched

pytestmark = pytest.mark.browser
# Ratio of each text's colour to the nearest painted ground behind it, by the formula of WCAG 2.
LOWEST_CONTRAST = """() => {
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const parse = text => text.match(/[0-9.]+/g).map(Number);
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll("body *")].filter(element =>
    [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()));
  const ratios = texts.map(element => {
    const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(ground(element))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.outerHTML.slice(0, 120)];
  });
  ratios.sort((a, b) => a[0] - b[0]);
  return [texts.length, ...ratios[0]];
}"""


def check_layout(watched: Watched, at_least: int) -> None:
    """Assert that nothing sticks out at the side and that every text can be read."""
    assert watched.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    num_texts, ratio, element = watched.page.evaluate(LOWEST_CONTRAST)
    assert num_texts >= at_least
    assert ratio >= 4.5, element


def test_empty_workspace_says_what_to_do_next(watched: Watched) -> None:
    watched.open("/")
    assert watched.page.url == f"{watched.url}/projects"
    expect(watched.page.get_by_role("heading", name="No projects yet")).to_be_visible()
    check_layout(watched, 10)


def test_projects_are_listed_and_markup_is_text(watched: Watched, add_project: list[str]) -> None:
    watched.open("/projects")
    expect(watched.page.locator(".card")).to_have_count(2)
    expect(watched.page.get_by_role("heading", name="Tricky")).to_be_visible()
    expect(watched.page.get_by_text("<script>alert(1)</script>")).to_be_visible()
    assert watched.page.locator("main script, main img").count() == 0
    check_layout(watched, 20)


@pytest.mark.slow
def test_reference_is_readable_and_its_anchors_work(watched: Watched, check_axe: Callable[..., None]) -> None:
    watched.open("/projects")
    watched.page.get_by_role("link", name="API documentation").first.click()
    watched.page.get_by_role("link", name="Training", exact=True).click()
    expect(watched.page.get_by_role("heading", name="Training", exact=True)).to_be_in_viewport()
    assert watched.page.locator(".operation .method").count() == NUM_OPERATIONS
    check_layout(watched, 1000)
    check_axe(watched.page)
    watched.page.get_by_role("link", name="ExperimentCreate", exact=True).first.click()
    expect(watched.page.get_by_role("heading", name="ExperimentCreate", exact=True)).to_be_in_viewport()
    check_layout(watched, 1000)
    check_axe(watched.page)


def test_keyboard_reaches_everything_and_focus_is_visible(watched: Watched) -> None:
    watched.open("/projects")
    names = []
    for _ in range(4):
        watched.page.keyboard.press("Tab")
        focused = watched.page.locator(":focus")
        names.append(focused.inner_text())
        assert focused.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    assert names == ["Skip to main content", "AI Studio", "Projects", "API"]


def test_only_this_server_is_asked(watched: Watched, server: LiveServer) -> None:
    for path in ("/projects", "/docs"):
        watched.open(path)
    assert {request.removeprefix(watched.url).split("?")[0] for request in watched.requests} >= {
        "/projects",
        "/docs",
        "/static/css/app.css",
    }
    assert all(request.startswith(server.url) for request in watched.requests)
    assert httpx.get(f"{server.url}/static/favicon.svg").headers["content-type"].startswith("image/svg+xml")


def test_policy_stops_inline_scripts(watched: Watched) -> None:
    watched.open("/projects")
    watched.page.evaluate(
        """() => { const script = document.createElement("script"); script.textContent = "window.ran = 1";
        document.body.append(script); }"""
    )
    assert watched.page.evaluate("window.ran") is None
    assert len(watched.complaints) == 1
    assert "Content Security Policy" in watched.complaints.pop()
