"""Pictures of the compare page."""

from __future__ import annotations

from tests.browser.screens.screen import Screen

SCREENS = (
    Screen("compare-empty", "/projects/{empty_id}/compare"),
    Screen("compare", "/projects/{project_id}/compare"),
)
