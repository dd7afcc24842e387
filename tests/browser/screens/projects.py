"""Pictures of the list of projects, and of the pages that belong to no project."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.screens.screen import Screen


def open_new(page: Page) -> None:
    """Open the dialog of a new project, with a task chosen."""
    page.get_by_role("button", name="New project", exact=True).click()
    page.locator(".choice").first.click()


def open_samples(page: Page) -> None:
    """Open the list of samples."""
    page.get_by_role("button", name="Sample projects").click()


def open_dialog(page: Page, action: str) -> None:
    """Open a dialog of the project that has something in it."""
    page.get_by_role("button", name=f"{action} Digits").click()
    page.wait_for_selector("#project-dialog-box[open]")


SCREENS = (
    Screen("projects", "/projects"),
    Screen("projects-none-found", "/projects?search=nothing"),
    Screen("projects-new", "/projects", open_new, is_full_page=False),
    Screen("projects-samples", "/projects", open_samples, is_full_page=False),
    Screen("projects-rename", "/projects", lambda page: open_dialog(page, "Rename"), is_full_page=False),
    Screen(
        "projects-duplicate",
        "/projects",
        lambda page: open_dialog(page, "New project like"),
        is_full_page=False,
    ),
    Screen("projects-delete", "/projects", lambda page: open_dialog(page, "Delete"), is_full_page=False),
    Screen("first-steps-empty", "/projects/{empty_id}/start"),
    Screen("first-steps", "/projects/{project_id}/start"),
    Screen("reference", "/docs", is_full_page=False),
    Screen("patterns", "/_patterns"),
    Screen("patterns-dialog", "/_patterns", lambda page: page.click("[data-dialog-open]"), is_full_page=False),
    Screen("not-found", "/projects/proj-00000000/dataset", status=404),
    Screen("not-understood", "/projects/{project_id}/dataset?page=none", status=422),
    Screen("project-damaged", "/projects/{damaged_id}/dataset", status=409, server="states"),
    Screen("disk-refused", "/projects/{unreadable_id}/dataset", status=503, server="states"),
    Screen("projects-states", "/projects", server="states"),
    Screen("first-steps-importing", "/projects/{importing_id}/start", server="states"),
    Screen("first-steps-failed", "/projects/{import_failed_id}/start", server="states"),
)
