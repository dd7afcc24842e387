"""Bodies over HTTP: forms where JSON is expected, and JSON that calls itself a form."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator

import anyio
import httpx
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

from app.api import json_body
from app.api.errors import install_error_handlers
from app.api.json_body import MAX_FIELDS, SMALL_BYTES, StrictRoute


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


class Note(BaseModel):
    """A body."""

    name: str


@pytest.fixture
async def notes() -> AsyncIterator[httpx.AsyncClient]:
    """A client of two routes in one event loop."""
    router = APIRouter(route_class=StrictRoute)

    @router.post("/notes")
    async def add_note(note: Note) -> int:
        return len(note.name)

    @router.get("/hello")
    async def say_hello() -> str:
        return "hello"

    app = FastAPI()
    app.include_router(router)
    install_error_handlers(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


class Gate:
    """A reader that waits to be let go on, whichever thread it works in."""

    def __init__(self, read: object) -> None:
        self.entered, self.may_go_on = threading.Event(), threading.Event()
        self._read = read

    def __call__(self, *args: object) -> object:
        """Wait at most half a minute, then read."""
        self.entered.set()
        assert self.may_go_on.wait(30)
        return self._read(*args)  # type: ignore[operator]


LARGE = "x" * (SMALL_BYTES + 1)
LARGE_BODIES = {
    "parse_json": {"json": {"name": LARGE}},
    "read_form": {"data": {"name": LARGE}},
}


@pytest.mark.anyio
@pytest.mark.parametrize("reader", LARGE_BODIES)
async def test_other_requests_are_served_while_a_large_body_is_read(
    notes: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    gate = Gate(getattr(json_body, reader))
    monkeypatch.setattr(json_body, reader, gate)
    answers: list[httpx.Response] = []

    async def send() -> None:
        answers.append(await notes.post("/notes", **LARGE_BODIES[reader]))  # type: ignore[arg-type]

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        assert await anyio.to_thread.run_sync(gate.entered.wait, 30)
        assert (await notes.get("/hello")).json() == "hello"
        assert not answers
        gate.may_go_on.set()
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, len(LARGE))]


@pytest.mark.anyio
async def test_forms_have_a_limit_of_fields(notes: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    bodies = {"fields": "name=x&" * (MAX_FIELDS + 1), "empty": "&" * (4 * 2**20), "one": "name=x" + "&" * MAX_FIELDS}
    answers = {name: await notes.post("/notes", content=body, headers=headers) for name, body in bodies.items()}
    assert {name: answer.status_code for name, answer in answers.items()} == {"fields": 422, "empty": 422, "one": 200}
    assert "More than 1000 fields" in answers["empty"].text
    many = await notes.post("/notes", files=[("name", (None, "x"))] * (MAX_FIELDS + 1))
    assert many.status_code == 422
