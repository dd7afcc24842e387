"""The security headers are on every answer: pages, JSON, files, refusals and failures."""

from __future__ import annotations

import httpx
import pytest

from app.api.security.headers import SECURITY_HEADERS

REQUESTS = [
    ("GET", "/projects", {}, 200),
    ("GET", "/api/projects", {}, 200),
    ("GET", "/static/css/app.css", {}, 200),
    ("GET", "/nothing", {}, 404),
    ("PUT", "/api/projects", {}, 405),
    ("POST", "/api/projects", {}, 422),
    ("POST", "/api/projects", {"origin": "null"}, 403),
    ("GET", "/api/projects", {"host": "evil.test"}, 403),
]


@pytest.mark.parametrize(("method", "path", "headers", "status"), REQUESTS)
def test_every_answer_carries_them(
    client: httpx.Client, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = client.request(method, path, headers=headers)
    assert answer.status_code == status
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value


def test_policy_allows_no_inline_script_and_no_frame(client: httpx.Client) -> None:
    policy = client.get("/projects").headers["content-security-policy"]
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self'" in policy


def test_answers_of_the_api_are_not_stored_and_pages_are_revalidated(client: httpx.Client) -> None:
    assert client.get("/api/projects").headers["cache-control"] == "no-store"
    for path in ("/projects", "/docs", "/static/css/app.css"):
        assert client.get(path).headers["cache-control"] == "no-cache"
