"""What axe finds on a page, by the rules of WCAG 2.2 A and AA and its own best practices."""

from __future__ import annotations

from functools import cache
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

# Rules that end without a verdict on pages like ours are looked at by test_pages.check_layout instead.
OPTIONS: dict[str, Any] = {"resultTypes": ["violations"]}
_axe = cache(Axe)


def find_violations(page: Page, selector: str | None = None) -> list[str]:
    """Return one line per rule and element that it is about."""
    response: dict[str, Any] = _axe().run(page, context=selector, options=OPTIONS).response
    assert response["testEngine"]["name"] == "axe-core"
    return [
        f"{violation['id']} ({violation['impact']}): {' '.join(map(str, node['target']))}: {node['html'][:160]}"
        for violation in response["violations"]
        for node in violation["nodes"]
    ]


def check_axe(page: Page, selector: str | None = None) -> None:
    """Assert that axe finds nothing on the page, or in the part of it that a selector names."""
    violations = find_violations(page, selector)
    assert violations == [], "\n".join(violations)
