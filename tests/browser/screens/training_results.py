"""Pictures of the results of a run."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.screens.screen import Screen

PATH = "/projects/{project_id}/training?experiment={experiment_id}"


def open_all(page: Page) -> None:
    """Open everything that is folded."""
    for summary in page.locator("#training-results summary").all():
        if summary.locator("xpath=..").get_attribute("open") is None:
            summary.click()


def open_fork(page: Page) -> None:
    """Open the dialog that makes a fork."""
    page.locator("#run-fork").click()


SCREENS = (
    Screen("training-results", PATH),
    Screen("training-results-opened", PATH, open_all),
    Screen("training-results-fork", PATH, open_fork, is_full_page=False),
    *(
        Screen(f"run-{state}", f"/projects/{{states_id}}/training?experiment={{{state}_id}}", server="states")
        for state in ("running", "pending", "paused", "failed", "interrupted", "completed")
    ),
    Screen("run-running-opened", "/projects/{states_id}/training?experiment={running_id}", open_all, server="states"),
)
