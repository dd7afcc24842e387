"""What a request changes is told to every open page, once, and a full disk does not undo it."""

from __future__ import annotations

import logging

import pytest

from app.core.announcing import announce_change
from app.core.events import EventBus
from app.core.studio import Studio
from app.schemas.experiments import DuplicateRequest, ExperimentUpdate
from app.schemas.projects import ProjectUpdate
from app.storage.event_log import ProjectEventLog
from tests.core.conftest import create_experiment


def read_changes(studio: Studio, project_id: str) -> list[tuple[str, str, str]]:
    lines = studio.bus.read(project_id, 0, 500)
    changes = [line.payload for line in lines if line.type == "RECORD_CHANGED"]
    return [(change["noun"], change["id"], change["change"]) for change in changes]


def test_requests_tell_what_they_changed(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    copy = studio.experiments.duplicate_experiment(imported_id, record.id, DuplicateRequest())
    studio.experiments.update_experiment(imported_id, record.id, ExperimentUpdate(name="renamed"))
    studio.experiments.delete_experiment(imported_id, copy.id)
    studio.projects.update_project(imported_id, ProjectUpdate(name="Nuts"))
    studio.splits.delete_split(imported_id, "main")
    studio.datasets.clear_dataset(imported_id)
    assert read_changes(studio, imported_id) == [
        ("experiment", record.id, "created"),
        ("experiment", copy.id, "created"),
        ("experiment", record.id, "changed"),
        ("experiment", copy.id, "deleted"),
        ("project", imported_id, "changed"),
        ("split", "main", "deleted"),
        ("dataset", imported_id, "deleted"),
    ]


def test_a_log_that_cannot_be_written_does_not_fail_the_request(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(project_id: str) -> ProjectEventLog:
        raise OSError(28, "No space left on device")

    with caplog.at_level(logging.WARNING):
        announce_change(EventBus(refuse), "proj-00000001", "export", "export-00000001", "deleted")
    assert "RecordChanged of proj-00000001 will be published later" in caplog.text
