"""Pictures of the export page."""

from __future__ import annotations

from tests.browser.screens.screen import Screen

SCREENS = (
    Screen("export-empty", "/projects/{empty_id}/export"),
    Screen("export", "/projects/{project_id}/export"),
)
