"""The list of experiments in a browser: fetched again and again while a run goes on, and used all the same."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from app.schemas.experiments import DuplicateRequest
from tests.api.imported import imported_workspace as imported_workspace
from tests.api.imported import project as project
from tests.api.imported import server as server
from tests.api.imported import wait_for_epochs
from tests.api.live import LiveServer
from tests.browser.conftest import Watched
from tests.core.conftest import create_experiment

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_list_is_searched_by_keyboard_while_a_run_goes_on(
    tabs: Callable[[], Watched], server: LiveServer, project: str
) -> None:
    studio = server.studio
    record = create_experiment(studio, project, "going on", seed=19, max_epochs=1000)
    for _ in range(5):
        studio.experiments.duplicate_experiment(project, record.id, DuplicateRequest())
    tab = tabs()
    page = tab.page
    tab.open(f"/projects/{project}/training?experiment={record.id}")
    search, names = page.get_by_role("searchbox"), page.locator("#experiment-list .pick__name")
    expect(names).to_have_count(6)
    studio.training.start_training(project, record.id)
    wait_for_epochs(studio, project, record.id, 1)
    search.focus()
    page.keyboard.type("on copy 3", delay=400)
    expect(search).to_have_value("on copy 3")
    expect(search).to_be_focused()
    expect(names).to_have_text(["going on copy 3"])
    with page.expect_response(lambda answer: "/training/experiment-list" in answer.url) as fetched:
        studio.experiments.duplicate_experiment(project, record.id, DuplicateRequest())
    assert "search=on+copy+3" in fetched.value.url.replace("%20", "+")
    expect(page.get_by_text("1 of 7 experiments")).to_be_visible()
    expect(names).to_have_text(["going on copy 3"])
    expect(page).to_have_url(re.compile(r"search=on(\+|%20)copy(\+|%20)3"))
    late = tabs()
    late.open(page.url.removeprefix(server.url))
    expect(late.page.get_by_role("searchbox")).to_have_value("on copy 3")
    expect(late.page.locator("#experiment-list .pick__name")).to_have_text(["going on copy 3"])
    search.fill("")
    expect(names).to_have_count(7)
    status = page.get_by_label("Status", exact=True)
    status.focus()
    page.keyboard.type("Tra")
    expect(status).to_have_value("training")
    expect(names).to_have_text(["going on"])
    expect(status).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Sort by", exact=True)).to_be_focused()
