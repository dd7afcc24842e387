"""What the installation says of itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.core.exceptions import ConflictError
from app.core.studio import Studio
from app.open_files import cap_streams
from tests.core.conftest import make_studio


def test_health_tells_of_the_server_and_of_its_spare(studio: Studio) -> None:
    health = studio.system.get_health()
    assert (health.pid, health.spare.state) == (os.getpid(), "off")
    assert health.memory_mb > 10
    assert health.spare.reason


def test_health_tells_how_many_streams_may_be_open(studio: Studio) -> None:
    streams = studio.system.get_health().streams
    assert streams.num_open == 0
    assert streams.max_open == cap_streams(streams.wanted, streams.open_files_limit)
    assert streams.wanted == 2000


def test_streams_follow_the_limit_of_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.core.studio.read_limit", lambda: 300)
    studio = make_studio(tmp_path)
    project_id = "proj-00000001"
    subscriptions = [studio.bus.subscribe(project_id, 0) for _ in range(150)]
    assert studio.system.get_health().streams.num_open == len(subscriptions)
    with pytest.raises(ConflictError, match="150 event streams are already open"):
        studio.bus.subscribe(project_id, 0)
