"""Pictures of what is around every page: the first visit, signing in, messages, and a server that is gone."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.screens.screen import TOKEN, Screen

WAIT_MS = 15_000


def _send_wrong_token(page: Page) -> None:
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not correct")


def _send_right_token(page: Page) -> None:
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def _lose_server(page: Page) -> None:
    page.context.set_offline(True)
    page.get_by_role("link", name="Next page").first.click()
    expect(page.locator("#server-gone")).to_be_visible(timeout=WAIT_MS)


def _ask(page: Page) -> None:
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("#confirm")).to_be_visible()


def _make_split(page: Page) -> None:
    page.get_by_role("button", name="New split").click()
    page.locator("#split-preview .subsets").wait_for()
    page.get_by_role("button", name="Create split").click()
    expect(page.locator("#toasts")).to_contain_text("Created")


SCREENS = (
    Screen("first-visit", "/projects", server="first"),
    Screen("sign-in", "/projects", server="guarded"),
    Screen("sign-in-refused", "/projects", _send_wrong_token, server="guarded", has_own_browser=True),
    Screen("signed-in", "/projects/{guarded_id}/dataset", _send_right_token, server="guarded", has_own_browser=True),
    Screen("server-gone", "/projects/{project_id}/dataset", _lose_server, is_full_page=False, has_own_browser=True),
    Screen("confirm", "/projects/{project_id}/export", _ask, is_full_page=False),
    Screen("toast", "/projects/{states_id}/split", _make_split, is_full_page=False, server="states"),
)
