"""On a read-only disk the server starts and says so, everything can be looked at, and any change answers 503."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from app.core.retrying import Retry
from app.core.studio import Studio, check_workspace_is_free
from app.storage.locks import ServerLock, WorkspaceInUseError
from app.storage.paths import WorkspacePaths
from tests.api.live import run_server
from tests.core.conftest import FAKE_ENGINES, create_experiment, imported_workspace, make_studio, train_to_end
from tests.small_disk import SmallDisk, mount_small_disk

__all__ = ["imported_workspace"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mount_small_disk(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture
def client(disk: SmallDisk, imported_workspace: Path) -> Iterator[httpx.Client]:
    """A server that was started on the read-only disk."""
    root = disk.root / "workspace"
    shutil.copytree(imported_workspace, root)
    shutil.rmtree(next(root.glob("projects/*/dataset/.thumbs")))
    studio = make_studio(root)
    studio.start()
    project_id = studio.projects.list_projects().projects[0].id
    train_to_end(studio, project_id, create_experiment(studio, project_id))
    studio.stop()
    disk.make_read_only()
    settings = Settings(workspace_root=root, warm_spare=False)
    with (
        run_server(settings, lambda given: Studio(given, FAKE_ENGINES)) as live,
        httpx.Client(base_url=live.url, timeout=60) as client,
    ):
        yield client


def wait_until(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_reading_works_and_changing_is_refused(client: httpx.Client) -> None:
    project_id = client.get("/api/projects").json()["data"]["projects"][0]["id"]
    experiment = client.get(f"/api/training/{project_id}/experiments").json()["data"]["experiments"][0]
    tabs = ["dataset", "split", "training", "evaluation", "export", "compare", "playground"]
    pages = ["/projects", *(f"/projects/{project_id}/{tab}" for tab in tabs)]
    for page in pages:
        answer = client.get(page, headers={"accept": "text/html"})
        assert answer.status_code == 200, page
        assert "is read-only" in answer.text, page
    paths = [
        f"/api/projects/{project_id}",
        f"/api/projects/{project_id}/state",
        f"/api/datasets/{project_id}",
        f"/api/datasets/{project_id}/images",
        f"/api/datasets/{project_id}/thumbnails/red_0.png",
        f"/api/training/{project_id}/experiments/{experiment['id']}",
        "/api/system/health",
    ]
    statuses = {path: client.get(path).status_code for path in paths}
    assert len(statuses) == 7
    assert set(statuses.values()) == {200}, statuses
    health = client.get("/api/system/workspace").json()["data"]
    assert health["is_writable"] is False
    assert "read-only" in health["problem"]
    changes = [
        ("POST", "/api/projects", {"name": "No", "task": "classification"}),
        ("PATCH", f"/api/projects/{project_id}", {"name": "No"}),
        ("DELETE", f"/api/projects/{project_id}", None),
        ("DELETE", f"/api/datasets/{project_id}", None),
        ("DELETE", f"/api/training/{project_id}/experiments/{experiment['id']}", None),
        ("POST", f"/api/training/{project_id}/experiments/{experiment['id']}/duplicate", {}),
        ("PATCH", f"/api/training/{project_id}/experiments/{experiment['id']}", {"name": "No"}),
        ("POST", f"/api/evaluation/{project_id}/{experiment['id']}", {}),
        ("POST", f"/api/export/{project_id}", {"experiment_id": experiment["id"], "format": "onnx"}),
    ]
    answers = []
    for method, path, body in changes:
        answer = client.request(method, path, json=body)
        answers.append((method, path, answer.status_code, answer.json().get("error", {}).get("message")))
    assert {answer[2] for answer in answers} == {503}, answers
    assert client.get(f"/api/projects/{project_id}").status_code == 200


def test_everything_works_again_without_a_restart(client: httpx.Client, disk: SmallDisk) -> None:
    """Of a server that was started on the read-only disk: it has no lock and its queue stands still until then."""
    project = client.get("/api/projects").json()["data"]["projects"][0]["id"]
    path = f"/api/training/{project}/experiments"
    assert client.post(path, json={"name": "second", "split_name": "main"}).status_code == 503
    disk.make_writable()
    created = client.post(path, json={"name": "second", "split_name": "main"})
    assert created.status_code == 200, created.text
    experiment = created.json()["data"]["id"]
    assert client.post(f"{path}/{experiment}/train").status_code == 200
    wait_until(lambda: client.get(f"{path}/{experiment}").json()["data"]["status"] == "completed")
    health = client.get("/api/system/workspace").json()["data"]
    assert (health["is_writable"], health["problem"]) == (True, "")
    with pytest.raises(WorkspaceInUseError):
        check_workspace_is_free(Settings(workspace_root=disk.root / "workspace"))


@pytest.fixture
def is_asked_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server look at its disk when it is asked something, and at no other time."""
    monkeypatch.setattr(Retry, "need", lambda retry: None)


@pytest.mark.usefixtures("is_asked_only")
def test_a_server_that_came_too_late_changes_nothing(disk: SmallDisk, request: pytest.FixtureRequest) -> None:
    """Two servers may look at a read-only disk; once it can be written, one of them has it."""
    client: httpx.Client = request.getfixturevalue("client")
    project = client.get("/api/projects").json()["data"]["projects"][0]["id"]
    disk.make_writable()
    lock = ServerLock(WorkspacePaths(disk.root / "workspace"))
    lock.acquire()
    try:
        answer = client.patch(f"/api/projects/{project}", json={"name": "Late"})
        assert answer.status_code == 503
        assert "is in use by process" in answer.json()["error"]["message"]
        assert client.get(f"/api/projects/{project}").status_code == 200
        health = client.get("/api/system/workspace").json()["data"]
        assert health["is_writable"] is False
    finally:
        lock.release()
    assert client.patch(f"/api/projects/{project}", json={"name": "Free"}).status_code == 200
