"""Pictures of the training page."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.screens.screen import Screen


def _show_augmentation(page: Page) -> None:
    page.locator("#section-augmentation > summary").click()
    page.locator("[data-preview-tiles]").wait_for(state="attached")
    for section in ("model", "data"):
        page.evaluate(f"document.getElementById('section-{section}').open = false")


def _change_settings(page: Page) -> None:
    page.get_by_role("button", name="Duplicate").click()
    expect(page.locator('[aria-current="true"]')).to_contain_text("copy")
    page.locator("#section-scheduler > summary").click()
    page.get_by_label("Scheduler", exact=True).select_option("step")
    page.locator("#section-augmentation > summary").click()
    page.get_by_role("button", name="Show preview", exact=True).click()
    expect(page.locator("[data-preview-tiles] img")).to_have_count(8, timeout=60_000)


def _open_new(page: Page) -> None:
    page.get_by_role("button", name="New experiment").click()


def _open_deletion(page: Page) -> None:
    page.get_by_role("button", name="Delete").click()
    page.locator("#experiment-deletion form").wait_for()


_SELECTED = "/projects/{project_id}/training?experiment={experiment_id}"


def _see_forecast(page: Page) -> None:
    expect(page.locator("#training-forecast dl")).to_be_visible()


def _see_checks(page: Page) -> None:
    page.get_by_label("Freeze backbone", exact=True).check()
    expect(page.locator("#run-checks")).to_contain_text("The frozen backbone is random")


SCREENS = (
    Screen("training-uneven", "/projects/{leaky_id}/training?experiment={uneven_experiment_id}"),
    Screen("training-empty", "/projects/{empty_id}/training"),
    Screen("training", _SELECTED),
    Screen("training-augmentation", _SELECTED, _show_augmentation),
    Screen("training-new", _SELECTED, _open_new, is_full_page=False),
    Screen("training-delete", _SELECTED, _open_deletion, is_full_page=False),
    Screen("training-settings", _SELECTED, _change_settings),
    Screen(
        "training-forecast", "/projects/{states_id}/training?experiment={untrained_id}", _see_forecast, server="states"
    ),
    Screen("training-checks", "/projects/{states_id}/training?experiment={untrained_id}", _see_checks, server="states"),
)
