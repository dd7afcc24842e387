"""Pictures of the playground page."""

from __future__ import annotations

from tests.browser.screens.screen import Screen

SCREENS = (
    Screen("playground-empty", "/projects/{empty_id}/playground"),
    Screen("playground", "/projects/{project_id}/playground"),
)
