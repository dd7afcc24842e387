"""Pictures of the playground page."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.screens.screen import Screen

ANSWER_MS = 60_000


def _open_picker(page: Page) -> None:
    page.get_by_role("button", name="Choose from dataset").click()
    expect(page.locator("#image-picker .tile").first).to_be_visible()


def _pick_image(page: Page) -> None:
    _open_picker(page)
    page.locator("#image-picker .tile").first.click()
    expect(page.locator(".history__item")).to_have_count(1, timeout=ANSWER_MS)


def _see_heat_map(page: Page) -> None:
    _pick_image(page)
    page.locator("[data-opacity]").focus()
    page.keyboard.press("End")
    expect(page.locator("[data-heat]")).to_be_visible()


def _send_nonsense(page: Page) -> None:
    file = {"name": "notes.png", "mimeType": "image/png", "buffer": b"no image"}
    page.locator("[data-files]").set_input_files(file)  # type: ignore[arg-type]
    expect(page.locator("[data-problem]")).to_be_visible(timeout=ANSWER_MS)


SCREENS = (
    Screen("playground-empty", "/projects/{empty_id}/playground"),
    Screen("playground", "/projects/{project_id}/playground"),
    Screen("playground-picker", "/projects/{project_id}/playground", _open_picker, is_full_page=False),
    Screen("playground-answer", "/projects/{project_id}/playground?experiment={experiment_id}", _pick_image),
    Screen("playground-heat-map", "/projects/{project_id}/playground?experiment={experiment_id}", _see_heat_map),
    Screen("playground-error", "/projects/{project_id}/playground", _send_nonsense),
)
