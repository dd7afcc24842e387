"""Pictures of the list of projects, and of the pages that belong to no project."""

from __future__ import annotations

from tests.browser.screens.screen import Screen

SCREENS = (
    Screen("projects", "/projects"),
    Screen("reference", "/docs", is_full_page=False),
    Screen("patterns", "/_patterns"),
    Screen("patterns-dialog", "/_patterns", lambda page: page.click("[data-dialog-open]"), is_full_page=False),
    Screen("not-found", "/projects/proj-00000000/dataset", status=404),
)
