"""Pictures of the export page."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.screens.screen import Screen


def open_dialog(page: Page) -> None:
    """Open the dialog of a new export and wait for its form."""
    page.get_by_role("button", name="New export").click()
    page.locator("[data-export-form]").wait_for()


SCREENS = (
    Screen("export-changed", "/projects/{project_id}/export?export={changed_export_id}"),
    Screen("export-empty", "/projects/{empty_id}/export"),
    Screen("export", "/projects/{project_id}/export"),
    Screen("export-dialog", "/projects/{project_id}/export", open_dialog, is_full_page=False),
    Screen("export-running", "/projects/{states_id}/export?export={exporting_id}", server="states"),
    Screen("export-failed", "/projects/{states_id}/export?export={export_failed_id}", server="states"),
)
