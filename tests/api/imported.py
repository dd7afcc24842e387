"""The server that the tests of the training page share: an imported project, engines without torch. Tests nothing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import Settings
from app.core.studio import Studio
from tests.api.live import LiveServer, run_server
from tests.core.conftest import FAKE_ENGINES
from tests.core.conftest import imported_workspace as imported_workspace
from tests.core.conftest import trained_workspace as trained_workspace

WAIT_S = 30.0


@pytest.fixture(scope="module")
def server(imported_workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the imported project and engines that need no torch."""
    workspace = tmp_path_factory.mktemp("imported") / "workspace"
    shutil.copytree(imported_workspace, workspace)
    settings = Settings(workspace_root=workspace, cancel_ask_s=1.0, cancel_terminate_s=1.0, warm_spare=False)
    with run_server(settings, lambda given: Studio(given, FAKE_ENGINES)) as live:
        yield live


@pytest.fixture
def project(server: LiveServer) -> Iterator[str]:
    """The imported project; what still runs or waits in it afterwards is cancelled, and has ended."""
    studio = server.studio
    identifier = studio.projects.list_projects().projects[0].id
    yield identifier
    studio.scheduler.cancel_project(identifier, WAIT_S)


def wait_for_epochs(studio: Studio, project: str, experiment: str, count: int) -> None:
    """Wait until a run has reported so many epochs."""
    deadline = time.monotonic() + WAIT_S
    while len(studio.experiments.read_metrics(project, experiment).epochs) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
