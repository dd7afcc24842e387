"""Signing in and out in a real browser, on a server that asks for its token."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from app.api.pages.sign_in import page as sign_in
from app.config import Settings
from app.schemas.projects import ProjectCreate
from tests.api.live import LiveServer, run_server
from tests.browser.conftest import Watched
from tests.browser.test_pages import check_layout

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TOKEN = "correct horse battery"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with a token and an empty workspace."""
    settings = Settings(workspace_root=tmp_path_factory.mktemp("workspace"), token=TOKEN, warm_spare=False)
    with run_server(settings) as live:
        yield live


def test_a_wrong_token_is_refused_a_right_one_leads_on_and_signing_out_ends_it(
    watched: Watched, check_axe: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "WRONG_TOKEN_DELAY_S", 0.0)
    page = watched.page
    watched.open("/docs?x=1")
    assert page.url == f"{watched.url}/sign-in?next=/docs%3Fx%3D1"
    token = page.get_by_label("Token")
    expect(token).to_be_focused()
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)
    check_axe(page)
    check_layout(watched, 5)

    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="token")).to_have_text(
        "This token is not correct. Check AI_STUDIO_TOKEN and try again."
    )
    expect(token).to_be_focused()
    expect(token).to_have_value("")
    expect(token).to_have_attribute("aria-invalid", "true")
    expect(token).to_have_accessible_description("This token is not correct. Check AI_STUDIO_TOKEN and try again.")
    check_axe(page)
    check_layout(watched, 6)
    watched.forgive("401")

    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    # The first look at the reference describes the whole API, which takes seconds on a busy machine.
    expect(page).to_have_url(f"{watched.url}/docs?x=1", timeout=30_000)
    watched.open("/projects")
    expect(page.get_by_role("heading", name="No projects yet")).to_be_visible()
    check_axe(page)
    check_layout(watched, 10)

    page.get_by_role("button", name="Sign out").press("Enter")
    expect(page).to_have_url(f"{watched.url}/sign-in")
    watched.open("/projects")
    assert page.url == f"{watched.url}/sign-in?next=/projects"


def test_signing_out_in_another_tab_leads_an_open_page_to_the_sign_in(watched: Watched, server: LiveServer) -> None:
    page = watched.page
    project = server.studio.projects.create_project(ProjectCreate(name="Open", task="classification")).id
    watched.open("/sign-in")
    page.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{watched.url}/projects")
    watched.open(f"/projects/{project}/dataset")
    watched.wait_for("document.querySelector('[data-live-state]').dataset.state === 'live'")
    other = page.context.new_page()
    other.goto(f"{watched.url}/projects")
    other.get_by_role("button", name="Sign out").click()
    expect(other).to_have_url(f"{watched.url}/sign-in")
    expect(page).to_have_url(f"{watched.url}/sign-in?next=/projects/{project}/dataset")
    other.close()
