"""The bundle that services are made with."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from app.config import Settings
from app.core.collaborators import gather
from app.core.events import EventBus
from app.core.exceptions import NotFoundError
from app.core.jobs.scheduler import JobScheduler
from app.core.stores import open_stores
from app.storage.event_log import open_event_log
from app.storage.paths import WorkspacePaths


def test_a_bundle_is_of_one_workspace_and_stays_as_it_is(tmp_path: Path) -> None:
    settings, paths = Settings(workspace_root=tmp_path), WorkspacePaths(tmp_path)
    stores = open_stores(paths)
    bus = EventBus(lambda project_id: open_event_log(stores.documents, project_id))
    shared = gather(settings, stores, bus, JobScheduler(paths, bus, settings, documents=stores.documents))
    with pytest.raises(NotFoundError):
        shared.lookup.find_project("proj-00000000")
    with pytest.raises(NotFoundError):
        shared.source_names.of_project("proj-00000000")
    with pytest.raises(dataclasses.FrozenInstanceError):
        shared.stores = stores  # type: ignore[misc]
