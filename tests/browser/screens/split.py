"""Pictures of the split page."""

from __future__ import annotations

from tests.browser.screens.screen import Screen

SCREENS = (
    Screen("split-empty", "/projects/{empty_id}/split"),
    Screen("split", "/projects/{project_id}/split"),
)
