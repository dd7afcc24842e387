"""Pictures of the evaluation page."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.screens.screen import Screen


def _open_image(page: Page) -> None:
    page.locator("#result-grid .tile").first.click()
    page.wait_for_selector("#result-detail")


_STATES = "/projects/{states_id}/evaluation?experiment="
SCREENS = (
    Screen("evaluation-empty", "/projects/{empty_id}/evaluation"),
    Screen("evaluation", "/projects/{project_id}/evaluation"),
    Screen("evaluation-wrong", "/projects/{project_id}/evaluation?correct=no", is_full_page=True),
    Screen("evaluation-image", "/projects/{project_id}/evaluation?correct=no", _open_image),
    Screen(
        "evaluation-again",
        "/projects/{project_id}/evaluation",
        lambda page: page.click("[data-dialog-open=evaluate-dialog]"),
        is_full_page=False,
    ),
    Screen("evaluation-leaks", "/projects/{leaky_id}/evaluation"),
    Screen("evaluation-before", _STATES + "{trained_id}", server="states"),
    Screen("evaluation-running", _STATES + "{evaluating_id}", server="states"),
    Screen("evaluation-failed", _STATES + "{unmeasured_id}", server="states"),
    Screen("evaluation-values", "/projects/{values_id}/evaluation", server="states"),
)
