"""Every observer recovers at the start of a server, whatever becomes of the others."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from app.core.exceptions import NotFoundError
from app.core.jobs.observers import ObserverTable
from app.storage.json_store import CorruptDocumentError
from app.storage.paths import WorkspacePaths
from app.storage.reserve import Reserve
from tests.core.jobs.conftest import RecordingObserver


class Failing(RecordingObserver):
    """Cannot recover."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def recover(self, living_jobs: Collection[str]) -> None:
        super().recover(living_jobs)
        raise self.error


@pytest.mark.parametrize(
    "error", [OSError(5, "Input/output error"), CorruptDocumentError(Path("a.json"), "no JSON"), NotFoundError("gone")]
)
def test_an_observer_that_cannot_recover_is_left_out(
    tmp_path: Path, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    table = ObserverTable(Reserve(WorkspacePaths(tmp_path)))
    observers = {"import": RecordingObserver(), "train": Failing(error), "export": RecordingObserver()}
    for kind, observer in observers.items():
        table.register(kind, observer)
    table.recover({"job-00000002", "job-00000001"})
    told = [observer.recovered for observer in observers.values()]
    assert told == [["job-00000001", "job-00000002"]] * 3
    assert "The recovery of 'train' jobs was left out" in caplog.text


def test_a_kind_has_one_observer(tmp_path: Path) -> None:
    table = ObserverTable(Reserve(WorkspacePaths(tmp_path)))
    table.register("train", RecordingObserver())
    with pytest.raises(ValueError, match="'train' have an observer already"):
        table.register("train", RecordingObserver())
