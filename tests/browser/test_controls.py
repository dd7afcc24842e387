"""What every page shares, where it once went wrong: refused forms, theme, axes, parts that are swapped."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.api.imported import imported_workspace as imported_workspace
from tests.api.imported import project as project
from tests.api.imported import server as server
from tests.api.imported import wait_for_epochs
from tests.api.live import LiveServer
from tests.browser.conftest import Watched, wait_for
from tests.core.conftest import create_experiment, train_to_end

pytestmark = pytest.mark.browser
GROUND = "getComputedStyle(document.body).backgroundColor"
LABELS = """points => { const chart = Studio.charts.get("line");
  chart.replace({ ...chart.spec, series: [{ ...chart.spec.series[0], points }] });
  return chart.chart.scales.y.ticks.map(tick => tick.label); }"""


@pytest.fixture
def patterns(tabs: Callable[[], Watched]) -> Watched:
    """The page that has every control."""
    tab = tabs()
    tab.open("/_patterns")
    return tab


@pytest.fixture
def settings(tabs: Callable[[], Watched], server: LiveServer, project: str) -> Watched:
    """The settings of a new experiment."""
    record = create_experiment(server.studio, project, "settings")
    tab = tabs()
    tab.open(f"/projects/{project}/training?experiment={record.id}")
    for section in ("optimizer", "training"):
        tab.page.locator(f"#section-{section} > summary").click()
    return tab


def test_what_is_corrected_leaves_the_summary_which_goes_with_its_last_line(settings: Watched) -> None:
    page = settings.page
    summary = page.locator("#settings-form [data-form-errors]")
    rate, epochs = page.get_by_label("Learning rate", exact=True), page.get_by_label("Max epochs", exact=True)
    rate.fill("-1")
    epochs.fill("0")
    page.get_by_role("button", name="Save changes", exact=True).click()
    expect(summary.locator("li")).to_have_count(2)
    rate.fill("0.01")
    expect(summary.locator("li")).to_have_count(1)
    expect(summary).to_contain_text("Max epochs")
    expect(rate).not_to_have_attribute("aria-invalid", "true")
    epochs.fill("3")
    expect(summary).to_be_hidden()
    expect(page.locator("[aria-invalid]")).to_have_count(0)
    settings.forgive("422")


def test_a_field_of_a_dialog_and_one_of_many_boxes_are_forgotten_too(settings: Watched) -> None:
    page = settings.page
    form = page.locator("#settings-form")
    form.evaluate(
        """form => Studio.showProblem(form, { message: "No.", details: [
        { field: "hardware.selected_devices", message: "Choose one." },
        { field: "model.backbone", message: "Unknown." }, { field: "nothing.here", message: "Odd." }] })"""
    )
    summary = form.locator("[data-form-errors]")
    expect(summary.locator("li")).to_have_count(3)
    page.locator(".architecture", has_text="ResNet-34").click()
    expect(summary.locator("li")).to_have_count(2)
    page.locator("#section-hardware > summary").click()
    page.locator('[name="hardware.selected_devices[]"]').first.click()
    expect(summary.locator("li")).to_have_text(["nothing.here: Odd."])
    page.get_by_role("button", name="New experiment").click()
    name = page.get_by_role("dialog").get_by_label("Name")
    name.evaluate(
        """field => Studio.showProblem(field.form, { message: "No.",
        details: [{ field: "name", message: "Taken." }] })"""
    )
    dialog_summary = page.get_by_role("dialog").locator("[data-form-errors]")
    expect(dialog_summary).to_contain_text("Taken.")
    name.fill("Another")
    expect(dialog_summary).to_be_hidden()


def test_a_problem_of_a_group_names_the_group_and_stands_below_all_of_it(patterns: Watched) -> None:
    form = patterns.page.locator("#pattern-form")
    group = form.get_by_role("group", name="Parts")
    form.evaluate(
        """form => Studio.showProblem(form, { message: "No.", details: [
        { field: "parts", message: "Choose at least one." }, { field: "tile_size", message: "Choose one." },
        { field: "is_on", message: "Must be off." }] })"""
    )
    lines = form.locator("[data-form-errors] li")
    expect(lines).to_have_text(
        ["Parts: Choose at least one.", "Size of tiles: Choose one.", "Switched on: Must be off."]
    )
    expect(group.locator(".field__error:visible")).to_have_text("Choose at least one.")
    assert group.evaluate("group => group.lastElementChild.matches('.field__error')")
    expect(group.get_by_label("Screw")).to_be_focused()  # Lid stands first and cannot be chosen
    group.get_by_label("Screw").click()
    expect(group.locator(".field__error:visible")).to_have_count(0)
    expect(lines).to_have_count(2)


@pytest.mark.parametrize(("scheme", "order"), [("light", ["dark", "light"]), ("dark", ["light", "dark"])])
def test_the_first_press_on_the_theme_is_seen(
    browser: Browser, server: LiveServer, scheme: str, order: list[str]
) -> None:
    context = browser.new_context(color_scheme="light" if scheme == "light" else "dark")
    page = context.new_page()
    page.goto(f"{server.url}/projects")
    toggle = page.locator("[data-theme-toggle]")
    grounds = [page.evaluate(GROUND)]
    for choice in order:
        expect(toggle).to_have_attribute("aria-label", re.compile(f"Change to {choice}$"))
        toggle.click()
        expect(page.locator("html")).to_have_attribute("data-theme", choice)
        grounds.append(page.evaluate(GROUND))
    assert grounds[0] != grounds[1] != grounds[2]
    toggle.click()
    expect(toggle).to_have_attribute("aria-label", re.compile("^Theme: system"))
    context.close()


def test_labels_of_an_axis_are_short_and_differ(patterns: Watched) -> None:
    wait_for(patterns.page, "Boolean(window.Studio?.charts?.get('line'))")
    for values in (
        [1.0, 1.0000000000000002],
        [0.1 + 0.2, 0.3],
        [1.0, 1.0],
        [0.0, 0.0],
        [0.1, 0.7],
        [1.7e9, 1.7e9 + 12],
        [1e-9, 3e-9],
        [2.5e20, 7e20],
        [-0.3, 0.3],
        [123456.789, 123456.79],
        [5e-324, 1.0],
    ):
        labels = patterns.page.evaluate(LABELS, list(enumerate(values)))
        assert len(labels) >= 2, values
        assert len(set(labels)) == len(labels), labels
        assert all(len(label) <= 14 for label in labels), labels
        assert not any(re.search(r"\.\d*0{6}|9{6}", label) for label in labels), labels


def test_only_what_was_pressed_says_that_it_was(tabs: Callable[[], Watched], server: LiveServer, project: str) -> None:
    record = create_experiment(server.studio, project, "pausing", seed=14)
    server.studio.training.start_training(project, record.id)
    wait_for_epochs(server.studio, project, record.id, 2)
    tab = tabs()
    tab.open(f"/projects/{project}/training?experiment={record.id}")
    page = tab.page
    expect(page.locator("#run-pause")).to_be_visible()
    for command, pause, stop in (
        ("pause", "It pauses after this batch.", "The run is pausing. Stop it when it is paused."),
        ("stop_keep", "The run is stopping.", "It stops after this batch."),
    ):
        line = {
            "type": "RUN_ASKED",
            "seq": 10**9,
            "run_id": page.locator("#training-results").get_attribute("data-run"),
        }
        line["payload"] = {"command": command, "run_id": line["run_id"]}
        page.evaluate(
            "line => document.body.dispatchEvent(new CustomEvent('live:RUN_ASKED', { detail: { events: [line] } }))",
            line,
        )
        expect(page.locator("#run-pause-help")).to_have_text(pause)
        expect(page.locator("#run-stop-keep-help")).to_have_text(stop)
    server.studio.training.stop_training(project, record.id, keep=False)


def test_swapped_parts_break_no_rule_about_styles(
    tabs: Callable[[], Watched], server: LiveServer, project: str
) -> None:
    """Charts and dialogs get styles by script; what is swapped in their place must not take them as attributes."""
    record = train_to_end(server.studio, project, create_experiment(server.studio, project, "swapped", max_epochs=3))
    tab = tabs()
    tab.open(f"/projects/{project}/training?experiment={record.id}")
    page = tab.page
    wait_for(page, "Boolean(window.Studio?.charts?.get('run-rate'))")
    for number in range(2):
        page.evaluate("document.getElementById('training-results').isOld = true")
        styled = page.evaluate(
            """() => { const parts = document.querySelectorAll("#training-results [id]");
            for (const part of parts) part.style.setProperty("--by-script", "1");
            return parts.length; }"""
        )
        assert styled > 10
        httpx.patch(
            f"{server.url}/api/training/{project}/experiments/{record.id}", json={"name": f"swapped {number}"}
        ).raise_for_status()
        page.evaluate("htmx.trigger(document.getElementById('training-results'), 'results-refresh')")
        tab.wait_for("!document.getElementById('training-results').isOld && Boolean(Studio.charts.get('run-rate'))")
    assert page.evaluate("htmx.config.includeIndicatorStyles") is False
    assert "style" not in page.evaluate("htmx.config.attributesToSettle")


@pytest.mark.slow
def test_the_table_of_runs_is_not_cut_off(browser: Browser, server: LiveServer, project: str) -> None:
    record = train_to_end(server.studio, project, create_experiment(server.studio, project, "many runs"))
    for _ in range(2):
        server.studio.training.restart_experiment(project, record.id)
        record = train_to_end(server.studio, project, record)
    for width in (1440, 1280, 1100):
        context = browser.new_context(viewport={"width": width, "height": 900})
        page: Page = context.new_page()
        page.goto(f"{server.url}/projects/{project}/training?experiment={record.id}")
        page.locator("#run-list > summary").click()
        box = page.locator("#run-list .table-scroll")
        expect(box).to_be_visible()
        assert box.locator("tbody tr").count() == 3
        inside, outside = box.evaluate("box => [box.scrollWidth, box.clientWidth]")
        assert inside <= outside, width
        context.close()
