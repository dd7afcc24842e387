"""Pictures of the split page."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.screens.screen import Screen


def open_dialog(page: Page) -> None:
    """Open the dialog of a new split and wait for its preview."""
    page.get_by_role("button", name="New split").click()
    page.locator("#split-preview .subsets").wait_for()


SCREENS = (
    Screen("split-empty", "/projects/{empty_id}/split"),
    Screen("split", "/projects/{project_id}/split"),
    Screen("split-leaks", "/projects/{leaky_id}/split"),
    Screen("split-dialog", "/projects/{project_id}/split", open_dialog, is_full_page=False),
)
