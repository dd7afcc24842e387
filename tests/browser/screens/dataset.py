"""Pictures of the dataset page."""

from __future__ import annotations

from tests.browser.screens.screen import Screen

SCREENS = (
    Screen("dataset-empty", "/projects/{empty_id}/dataset"),
    Screen("dataset", "/projects/{project_id}/dataset"),
)
