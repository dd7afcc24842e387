"""Bodies over HTTP: forms where JSON is expected, and JSON that calls itself a form."""

from __future__ import annotations

import httpx
import pytest


def create(client: httpx.Client, **options: object) -> httpx.Response:
    return client.post("/api/projects", **options)  # type: ignore[arg-type]


@pytest.fixture
def task(client: httpx.Client) -> str:
    identifier: str = client.get("/api/tasks").json()["data"]["tasks"][0]["id"]
    return identifier


def test_form_is_read_like_json(client: httpx.Client, task: str) -> None:
    form = {"name": "2026", "task": task, "description": "from a form"}
    sent = {
        "urlencoded": create(client, data=form),
        "multipart": create(client, files={key: (None, value) for key, value in form.items()}),
        "json": create(client, json=form),
        "mislabelled": create(
            client, content=f'{{"name": "2026", "task": "{task}", "description": "from a form"}}',
            headers={"content-type": "application/x-www-form-urlencoded"},
        ),
    }  # fmt: skip
    for name, answer in sent.items():
        assert answer.status_code == 200, (name, answer.text)
        assert answer.json()["data"]["name"] == "2026"
        assert answer.json()["data"]["description"] == "from a form"
    assert len({answer.json()["data"]["id"] for answer in sent.values()}) == 4


def test_form_is_checked_like_json(client: httpx.Client, task: str) -> None:
    answer = create(client, data={"name": "x", "task": task, "colour": "red"})
    assert answer.status_code == 422
    assert [item["field"] for item in answer.json()["error"]["details"]] == ["colour"]
    answer = create(client, data={"name.first": "x", "name": "y", "task": task})
    assert answer.status_code == 422
    assert "contradicts" in answer.json()["error"]["details"][0]["message"]
    answer = create(client, content=b"{", headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 422
    assert "JSON" in answer.json()["error"]["details"][0]["message"]


def test_patch_takes_a_form_and_an_empty_one_changes_nothing(client: httpx.Client, project_id: str) -> None:
    answer = client.patch(f"/api/projects/{project_id}", data={"description": "new"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["description"] == "new"


def test_unknown_and_empty_query_parameters_are_passed_over(client: httpx.Client, project_id: str) -> None:
    paths = ["/projects?utm_source=x", f"/projects/{project_id}/dataset?fbclid=1",
             f"/projects/{project_id}/training?ref=x&experiment=", f"/projects/{project_id}/evaluation?experiment=",
             f"/projects/{project_id}/export?export=&experiment=&x=1", f"/projects/{project_id}/compare?x=1&only=",
             f"/projects/{project_id}/split?x=1", f"/projects/{project_id}/playground?x=1",
             f"/api/projects/{project_id}/events?limit=5&x=1", "/api/projects?x=1"]  # fmt: skip
    assert len(paths) == 10
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:300])
    images = client.get(f"/api/datasets/{project_id}/images?filter_class=&search=&subset=&page=&x=1")
    assert images.json()["error"]["code"] == "DATASET_NOT_IMPORTED"  # and not that a value is wrong
