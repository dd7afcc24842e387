"""On a read-only disk the server starts and says so, everything can be looked at, and any change answers 503."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from tests.api.live import run_server
from tests.core.conftest import create_experiment, imported_workspace, make_studio, train_to_end
from tests.small_disk import mount_small_disk

__all__ = ["imported_workspace"]


@pytest.fixture
def client(tmp_path: Path, imported_workspace: Path) -> Iterator[httpx.Client]:
    with mount_small_disk(tmp_path / "disk") as disk:
        root = disk.root / "workspace"
        shutil.copytree(imported_workspace, root)
        shutil.rmtree(next(root.glob("projects/*/dataset/.thumbs")))
        studio = make_studio(root)
        studio.start()
        project_id = studio.projects.list_projects().projects[0].id
        train_to_end(studio, project_id, create_experiment(studio, project_id))
        studio.stop()
        disk.make_read_only()
        with run_server(Settings(workspace_root=root)) as live, httpx.Client(base_url=live.url, timeout=60) as client:
            yield client


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
