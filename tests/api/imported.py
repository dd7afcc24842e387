"""The server that the tests of the training page share: an imported project, engines without torch. Fixtures only."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import Settings
from app.core.studio import Studio
from tests.api.live import LiveServer, run_server
from tests.core.conftest import FAKE_ENGINES
from tests.core.conftest import imported_workspace as imported_workspace


@pytest.fixture(scope="module")
def server(imported_workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the imported project and engines that need no torch."""
    workspace = tmp_path_factory.mktemp("imported") / "workspace"
    shutil.copytree(imported_workspace, workspace)
    settings = Settings(workspace_root=workspace, cancel_ask_s=1.0, cancel_terminate_s=1.0, warm_spare=False)
    with run_server(settings, lambda given: Studio(given, FAKE_ENGINES)) as live:
        yield live
