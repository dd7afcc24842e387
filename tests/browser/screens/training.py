"""Pictures of the training page."""

from __future__ import annotations

from tests.browser.screens.screen import Screen

SCREENS = (
    Screen("training-empty", "/projects/{empty_id}/training"),
    Screen("training", "/projects/{project_id}/training"),
)
