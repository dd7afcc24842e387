"""Pictures of the evaluation page."""

from __future__ import annotations

from tests.browser.screens.screen import Screen

SCREENS = (
    Screen("evaluation-empty", "/projects/{empty_id}/evaluation"),
    Screen("evaluation", "/projects/{project_id}/evaluation"),
)
