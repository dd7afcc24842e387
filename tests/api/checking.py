"""Dry runs over HTTP to their report, however long they take on this machine. Tests nothing."""

from __future__ import annotations

import time
from typing import Any

import httpx

WAIT_S = 60.0


def check_import(client: httpx.Client, project_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the report of a dry run."""
    url = f"/api/datasets/{project_id}/import/check"
    answer = client.post(url, json=body)
    deadline = time.monotonic() + WAIT_S
    while answer.status_code == 202:
        assert time.monotonic() < deadline
        time.sleep(0.02)
        state = client.get(f"{url}/{answer.json()['data']['job_id']}").json()["data"]
        if state["report"] is not None:
            return dict(state["report"])
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["data"])


def check_import_html(client: httpx.Client, project_id: str, body: dict[str, Any]) -> str:
    """Return the fragment of a report as the page gets it."""
    headers = {"hx-request": "true"}
    html = client.post(f"/api/datasets/{project_id}/import/check", json=body, headers=headers).text
    deadline = time.monotonic() + WAIT_S
    while 'data-check-url="' in html:
        assert time.monotonic() < deadline
        time.sleep(0.02)
        html = client.get(html.partition('data-check-url="')[2].partition('"')[0], headers=headers).text
    return html
