"""One server per module, a client that speaks to it, and a project to work on."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from app.config import Settings
from tests.api.live import LiveServer, run_server


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The loop that the application runs on."""
    return "asyncio"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the real services and an empty workspace."""
    workspace = tmp_path_factory.mktemp("workspace")
    with run_server(Settings(workspace_root=workspace, max_upload_size=8 * 2**20)) as live:
        yield live


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A client as a script would use it."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.fixture
def project_id(client: httpx.Client) -> str:
    """A new project of the first task."""
    task = client.get("/api/tasks").json()["data"]["tasks"][0]["id"]
    answer = client.post("/api/projects", json={"name": "A project", "task": task})
    assert answer.status_code == 200
    identifier: str = answer.json()["data"]["id"]
    return identifier
