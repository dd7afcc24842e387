"""Pictures of the compare page."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.screens.screen import Screen


def _wait_for_curves(page: Page) -> None:
    expect(page.locator("figure[data-drawn]")).to_have_count(1)


SCREENS = (
    Screen("compare-empty", "/projects/{empty_id}/compare"),
    Screen("compare", "/projects/{project_id}/compare?experiments={experiment_id},{other_id}", _wait_for_curves),
    Screen("compare-one-chosen", "/projects/{project_id}/compare?experiments={experiment_id}"),
    Screen(
        "compare-three", "/projects/{states_id}/compare?experiments={measured_ids}", _wait_for_curves, server="states"
    ),
)
