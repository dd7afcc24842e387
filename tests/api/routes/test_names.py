"""Every route that takes a name takes one of any script, and refuses the others with the character."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from urllib.parse import quote

import httpx
import pytest

from tests.api.imported import WAIT_S
from tests.api.imported import imported_workspace as imported_workspace
from tests.api.imported import project as project
from tests.api.imported import server as server
from tests.api.live import LiveServer

NAMES = ["Äpfel", "a+b (50.5) c-d_e", "हिन्दी डेटा", "العربية", "中文 数据", "GROẞ", "İzmir", "été 𠮷"]
BAD = {"50%": "'%' is not allowed", "a\u202eb": "U+202E RIGHT-TO-LEFT OVERRIDE", "(a)": "begins with a letter"}


def create_experiment(client: httpx.Client, pid: str, name: str) -> httpx.Response:
    return client.post(f"/api/training/{pid}/experiments", json={"name": name, "split_name": "main"})


def takers(server: LiveServer, client: httpx.Client, pid: str) -> dict[str, Callable[[str], httpx.Response]]:
    """Return each route that takes a new name."""
    task = client.get(f"/api/projects/{pid}").json()["data"]["task"]
    eid = create_experiment(client, pid, "An experiment").json()["data"]["id"]
    base = f"/api/training/{pid}/experiments"
    changes = client.patch(f"{base}/{eid}", json={"hyperparameters": {"max_epochs": 1}})
    assert changes.status_code == 200, changes.text
    server.studio.scheduler.wait(server.studio.training.start_training(pid, eid).job_id or "", WAIT_S)
    return {
        "project": lambda name: client.post("/api/projects", json={"name": name, "task": task}),
        "project form": lambda name: client.post("/api/projects", data={"name": name, "task": task}),
        "project change": lambda name: client.patch(f"/api/projects/{pid}", json={"name": name}),
        "experiment": lambda name: create_experiment(client, pid, name),
        "experiment change": lambda name: client.patch(f"{base}/{eid}", json={"name": name}),
        "duplicate": lambda name: client.post(f"{base}/{eid}/duplicate", json={"name": name}),
        "fork": lambda name: client.post(f"{base}/{eid}/fork", json={"name": name, "checkpoint": "last"}),
        "split": lambda name: client.post(f"/api/splits/{pid}", json={"name": name}),
        "split form": lambda name: client.post(f"/api/splits/{pid}", data={"name": f"{name} form"}),
    }


def test_every_route_takes_names_of_any_script(server: LiveServer, client: httpx.Client, project: str) -> None:
    routes = takers(server, client, project)
    assert len(routes) == 9
    for route, take in routes.items():
        for name in NAMES:
            answer = take(unicodedata.normalize("NFD", name))
            assert answer.status_code == 200, (route, name, answer.text)
            assert answer.json()["data"]["name"].removesuffix(" form") == name, route


def test_every_route_says_which_character_is_refused(server: LiveServer, client: httpx.Client, project: str) -> None:
    for route, take in takers(server, client, project).items():
        for name, reason in BAD.items():
            answer = take(name)
            assert answer.status_code == 422, (route, name)
            (problem,) = answer.json()["error"]["details"]
            assert (problem["field"], reason in problem["message"]) == ("name", True), (route, problem)


def test_a_split_is_found_by_its_name_in_an_address(client: httpx.Client, project: str) -> None:
    for name in ("50.5 + (a) ä-1", "ลองดู", "日本 1"):
        assert client.post(f"/api/splits/{project}", json={"name": name}).status_code == 200
        for form in ("NFC", "NFD"):
            written = unicodedata.normalize(form, name)
            address = f"/api/splits/{project}/{quote(written, safe='')}"
            assert client.get(address).json()["data"]["name"] == name
            query = {"split_name": written, "subset": "train"}
            page = client.get(f"/api/datasets/{project}/images", params=query).json()["data"]
            assert page["selected_split_name"] == name
            assert page["total_items"] > 0
            assert client.get(f"/projects/{project}/dataset", params={"split": written, "subset": "train"}).is_success
            body = {"name": "On it", "split_name": written}
            made = client.post(f"/api/training/{project}/experiments", json=body).json()["data"]
            assert made["split_name"] == name
        assert client.delete(f"/api/splits/{project}/{quote(name, safe='')}").status_code == 200


@pytest.mark.parametrize("twin", ["MAIN", "Main", "maIn"])
def test_splits_that_differ_in_case_only_are_refused(client: httpx.Client, project: str, twin: str) -> None:
    answer = client.post(f"/api/splits/{project}", json={"name": twin})
    assert (answer.status_code, answer.json()["error"]["details"][0]["field"]) == (409, "name")
    assert "'main'" in answer.json()["error"]["message"]


def test_splits_that_differ_in_their_unicode_form_only_are_refused(client: httpx.Client, project: str) -> None:
    assert client.post(f"/api/splits/{project}", json={"name": "Ärzte"}).status_code == 200
    for twin in ("A\u0308rzte", "ärzte", "ÄRZTE"):
        assert client.post(f"/api/splits/{project}", json={"name": twin}).status_code == 409
    assert client.post(f"/api/splits/{project}", json={"name": "Preview"}).status_code == 422


def test_names_are_found_in_any_case_and_form(client: httpx.Client, project: str) -> None:
    assert client.patch(f"/api/projects/{project}", json={"name": "Straße Ä"}).status_code == 200
    for search in ("STRASSE", "straße a\u0308"):
        page = client.get("/projects", params={"search": search})
        assert "Straße Ä" in page.text


def test_pages_show_and_link_names_of_any_script(client: httpx.Client, project: str) -> None:
    name = "a+(b) हिन्दी. ä"
    assert client.patch(f"/api/projects/{project}", json={"name": name}).status_code == 200
    assert client.post(f"/api/splits/{project}", json={"name": name}).status_code == 200
    assert create_experiment(client, project, name).status_code == 200
    seen = 0
    for page in ("split", "dataset", "training", "export"):
        text = client.get(f"/projects/{project}/{page}").text
        assert name in text, page
        seen += 1
    assert seen == 4
    assert quote(name, safe="") in client.get(f"/projects/{project}/split").text
