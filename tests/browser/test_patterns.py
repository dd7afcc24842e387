"""Every macro in a real browser: axe, layout, dialogs, typed forms, generated fields, charts, toasts, themes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.api.live import LiveServer
from tests.browser.conftest import Watched
from tests.browser.test_pages import check_layout

pytestmark = pytest.mark.browser
CheckAxe = Callable[..., None]


@pytest.fixture
def page(watched: Watched) -> Page:
    """The page of patterns, with its charts drawn."""
    watched.open("/_patterns")
    expect(watched.page.locator("figure[data-drawn]")).to_have_count(3)
    return watched.page


def test_axe_finds_nothing_and_nothing_sticks_out(page: Page, watched: Watched, check_axe: CheckAxe) -> None:
    check_axe(page)
    check_layout(watched, 100)
    page.get_by_role("button", name="Open a dialog").click()
    check_axe(page, "#pattern-dialog")


def test_the_check_with_axe_finds_mistakes(page: Page, check_axe: CheckAxe) -> None:
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    with pytest.raises(AssertionError, match="button-name"):
        check_axe(page)


def test_theme_is_kept_and_applied_before_the_first_paint(page: Page, watched: Watched) -> None:
    toggle = page.locator("[data-theme-toggle]")
    ground = "getComputedStyle(document.body).backgroundColor"
    is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    order = ("light", "dark") if is_dark else ("dark", "light")
    expect(toggle).to_have_attribute("aria-label", f"Theme: system. Change to {order[0]}")
    seen = {}
    for choice in order:
        toggle.click()
        watched.open("/projects")
        assert page.locator("html").get_attribute("data-theme") == choice
        seen[choice] = page.evaluate(ground)
    assert seen["light"] != seen["dark"]
    toggle.click()
    assert page.evaluate("localStorage.getItem('theme')") == "system"


def test_dialog_keeps_focus_inside_closes_on_escape_and_gives_it_back(page: Page) -> None:
    opener = page.get_by_role("button", name="Open a dialog")
    opener.press("Enter")
    dialog = page.get_by_role("dialog", name="A dialog")
    expect(dialog).to_be_visible()
    assert dialog.evaluate("dialog => dialog.contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()


def test_disabled_control_says_why_and_does_nothing(page: Page) -> None:
    button = page.get_by_role("button", name="Cannot open")
    expect(button).to_have_accessible_description("Nothing to show yet.")
    button.focus()
    expect(button).to_be_focused()
    button.click(force=True)
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_question_before_something_is_lost(page: Page, watched: Watched) -> None:
    page.get_by_role("button", name="Ask first").click()
    dialog = page.get_by_role("dialog", name="Delete it?")
    expect(dialog).to_contain_text("This cannot be undone.")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert f"{watched.url}/projects" not in watched.requests
    page.get_by_role("button", name="Ask first").click()
    with page.expect_response("**/projects"):
        dialog.get_by_role("button", name="Delete").click()


def test_typed_form_sends_json_and_shows_refusals_beside_the_fields(page: Page, watched: Watched) -> None:
    page.get_by_label("Name").fill("Screws")
    with page.expect_request("**/api/projects") as sent:
        page.get_by_role("button", name="Send").click()
    body = json.loads(sent.value.post_data or "")
    assert sent.value.headers["content-type"] == "application/json"
    assert body["size"] == 224
    assert body["share"] == 70
    assert body["is_on"] is True
    assert body["tile_size"] == "a"
    assert "locked" not in body
    summary = page.locator("#pattern-form [data-form-errors]")
    expect(summary).to_contain_text("Please correct:")
    expect(summary).to_contain_text("Size: There is no such field or setting")
    expect(page.locator("[name=size]")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#pattern-form .field").filter(has_text="Size").locator(".field__error")).to_be_visible()
    assert page.evaluate("document.activeElement.closest('#pattern-form') !== null")
    watched.forgive("422")


def test_success_says_so_and_tells_the_page(page: Page, server: LiveServer) -> None:
    task = httpx.get(f"{server.url}/api/tasks").json()["data"]["tasks"][0]["id"]
    page.evaluate(
        """task => { const form = document.getElementById("pattern-form");
        for (const field of form.elements) if (field.name !== "name") field.disabled = field.type !== "submit";
        form.setAttribute("hx-vals", JSON.stringify({task}));
        document.body.addEventListener("pattern-made", event => { window.made = event.detail.data; }); }""",
        task,
    )
    page.get_by_label("Name").fill("Made here")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#toasts")).to_contain_text("Created Made here")
    made = page.evaluate("window.made")
    assert made["task"] == task
    httpx.delete(f"{server.url}/api/projects/{made['id']}")


def test_generated_fields_mark_changes_and_are_reset_one_by_one(page: Page) -> None:
    panel = page.get_by_role("region", name="Fields from a description")
    expect(panel).to_contain_text("3 changed from the defaults")
    epochs = panel.get_by_label("Epochs", exact=True)
    epochs.fill("60")
    expect(panel).to_contain_text("4 changed from the defaults")
    panel.get_by_role("button", name="Reset Epochs to 50").click()
    expect(epochs).to_have_value("50")
    panel.get_by_role("button", name=re.compile("Reset Average")).click()
    expect(panel).to_contain_text("2 changed from the defaults")
    milestones = panel.get_by_label("Milestones", exact=True)
    milestones.fill("30,40")
    expect(panel).to_contain_text("2 changed from the defaults")


def test_chart_takes_points_and_has_its_numbers_as_a_table(page: Page) -> None:
    figure = page.locator("figure#line")
    figure.get_by_text("Show data as a table").click()
    expect(figure.locator("tbody tr")).to_have_count(20)
    page.get_by_role("button", name="Add a point").click()
    expect(figure.locator("tbody tr")).to_have_count(21)
    before = page.evaluate("Studio.charts.get('line').chart.data.datasets[0].borderColor")
    while page.locator("html").get_attribute("data-theme") != ("dark" if before == "rgb(13 102 110 / 1)" else "light"):
        page.locator("[data-theme-toggle]").click()
    assert page.evaluate("Studio.charts.get('line').chart.data.datasets[0].borderColor") != before


def test_legend_shows_a_line_as_its_stroke(page: Page) -> None:
    items = page.evaluate(
        "Studio.charts.get('line').chart.legend.legendItems.map(({ text, pointStyle, lineDash, lineWidth }) =>"
        " [text, pointStyle, lineDash.length, lineWidth])"
    )
    assert items == [["train", "line", 0, 2], ["val", "line", 2, 2]]


def test_tabs_by_keyboard(page: Page) -> None:
    page.get_by_role("tab", name="One").press("ArrowRight")
    expect(page.get_by_role("tab", name="Two")).to_be_focused()
    expect(page.get_by_role("tabpanel")).to_have_text(re.compile("The second view."))


def test_island_with_alpine(page: Page) -> None:
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("[data-pattern-count]")).to_have_text("Pressed 1 times")


def test_bars_have_the_colour_of_the_theme(page: Page) -> None:
    drawn, wanted = page.evaluate(
        "[Studio.charts.get('bars').chart.getDatasetMeta(0).data[0].options.backgroundColor, "
        "Studio.charts.colourOf('--series-1')]"
    )
    assert drawn == wanted


def test_refusal_is_a_toast_or_stands_where_it_is_wanted(page: Page, watched: Watched) -> None:
    page.get_by_role("button", name="Refused", exact=True).click()
    expect(page.locator(".toast--error")).to_contain_text("There is no project proj-00000000.")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator(".toast")).to_have_count(0)
    page.get_by_role("button", name="Refused here").click()
    expect(page.locator("#refusal .notice--error")).to_contain_text("There is no project proj-00000000.")
    watched.forgive("404")


def test_request_that_does_not_arrive_can_be_sent_again(page: Page, watched: Watched) -> None:
    page.context.set_offline(True)
    page.get_by_role("button", name="Refused", exact=True).click()
    toast = page.locator(".toast--error")
    expect(toast).to_contain_text("The server is not responding.")
    expect(page.locator("#server-gone")).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator("#server-gone")).to_be_hidden(timeout=10_000)
    toast.get_by_role("button", name="Retry").click()
    expect(toast).to_contain_text("There is no project proj-00000000.")
    watched.forgive("ERR_INTERNET_DISCONNECTED", "404")
    watched.complaints[:] = [item for item in watched.complaints if "htmx" not in item]


def test_toast_over_a_dialog_can_be_read_and_dismissed(page: Page) -> None:
    page.get_by_role("button", name="Open a dialog").click()
    dialog = page.get_by_role("dialog", name="A dialog")
    page.evaluate("Studio.toast({text: 'First'}); Studio.toast({text: 'Second'});")
    expect(dialog.get_by_role("region", name="Messages")).to_contain_text("Second")
    dialog.get_by_role("button", name="Dismiss").first.click()
    expect(dialog.get_by_role("region", name="Messages")).not_to_contain_text("First")
    page.keyboard.press("Escape")
    expect(page.locator("#toasts")).to_contain_text("Second")
    expect(page.get_by_role("region", name="Messages")).to_have_count(1)
