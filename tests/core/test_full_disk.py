"""On a disk with no byte free everything can be deleted, which frees its space, and nothing needs a restart."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.core.exceptions import ExperimentNotFoundError, NotFoundError
from app.core.studio import Studio
from app.schemas.evaluation import EvaluationRequest
from app.schemas.experiments import ExperimentCreate, ExperimentRecord
from app.schemas.export import ExportRequest
from app.schemas.projects import ProjectCreate
from app.schemas.splits import SplitCreate, SplitRatios
from tests.core.conftest import WAIT_S, create_experiment, make_studio, train_to_end
from tests.small_disk import SmallDisk, mount_small_disk


@pytest.fixture
def disk(tmp_path: Path, imported_workspace: Path) -> Iterator[SmallDisk]:
    with mount_small_disk(tmp_path / "disk") as disk:
        shutil.copytree(imported_workspace, disk.root / "workspace")
        yield disk


@pytest.fixture
def studio(disk: SmallDisk) -> Iterator[Studio]:
    running = make_studio(disk.root / "workspace")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def trained(studio: Studio, imported_id: str) -> ExperimentRecord:
    return train_to_end(studio, imported_id, create_experiment(studio, imported_id))


def free_bytes(disk: SmallDisk) -> int:
    return shutil.disk_usage(disk.root).free


def count_entries(directory: Path) -> int:
    return sum(1 for _ in directory.iterdir()) if directory.is_dir() else 0


def evaluate(studio: Studio, project_id: str, experiment_id: str) -> str:
    started = studio.evaluations.start_evaluation(project_id, experiment_id, EvaluationRequest())
    return studio.scheduler.wait(started.job_id or "", WAIT_S).status


def test_every_noun_is_deleted_and_frees_its_space(
    studio: Studio, disk: SmallDisk, imported_id: str, trained: ExperimentRecord
) -> None:
    assert evaluate(studio, imported_id, trained.id) == "completed"
    request = ExportRequest(experiment_id=trained.id, format="onnx")
    export = studio.exports.create_export(imported_id, request)
    studio.scheduler.wait(export.job_id or "", WAIT_S)
    deletions: dict[str, Callable[[], object]] = {
        "evaluation": lambda: studio.evaluations.reset_evaluation(imported_id, trained.id),
        "export": lambda: studio.exports.delete_export(imported_id, export.id),
        "experiment": lambda: studio.experiments.delete_experiment(imported_id, trained.id),
        "dataset": lambda: studio.datasets.clear_dataset(imported_id),
        "project": lambda: studio.projects.delete_project(imported_id),
    }
    freed = {}
    for noun, delete in deletions.items():
        disk.fill()
        assert free_bytes(disk) == 0
        delete()
        freed[noun] = free_bytes(disk)
        assert count_entries(disk.root / "workspace" / ".trash") == 0
        disk.empty()
    assert len(freed) == 5
    assert all(freed.values()), freed
    assert studio.projects.list_projects().projects == []
    again = studio.projects.create_project(ProjectCreate(name="Again", task="classification"))
    assert [project.id for project in studio.projects.list_projects().projects] == [again.id]


def test_the_event_of_a_deletion_comes_when_there_is_room(
    studio: Studio, disk: SmallDisk, imported_id: str, trained: ExperimentRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.fill()
    monkeypatch.setattr("app.storage.experiment_repository.free_space", lambda path: None)
    studio.experiments.delete_experiment(imported_id, trained.id)
    with pytest.raises(ExperimentNotFoundError):
        studio.experiments.get_experiment(imported_id, trained.id)
    disk.empty()
    monkeypatch.undo()
    fresh = create_experiment(studio, imported_id, "fresh")
    last = studio.bus.last_seq(imported_id)
    changes = [line.payload for line in studio.bus.read(imported_id, last - 2, 2)]
    assert [(change["id"], change["change"]) for change in changes] == [(trained.id, "deleted"), (fresh.id, "created")]
    index = studio._paths.experiments_index_file(imported_id).read_text()
    assert fresh.id in index
    assert trained.id not in index


def test_creating_leaves_nothing_behind(
    studio: Studio, disk: SmallDisk, imported_id: str, trained: ExperimentRecord
) -> None:
    project = disk.root / "workspace" / "projects"
    places = [project, project / imported_id / "experiments", project / imported_id / "exports"]
    untrained = create_experiment(studio, imported_id, "second")
    before = [count_entries(place) for place in places]
    creations: list[Callable[[], object]] = [
        lambda: studio.projects.create_project(ProjectCreate(name="No room", task="classification")),
        lambda: studio.experiments.create_experiment(imported_id, ExperimentCreate(name="x", split_name="main")),
        lambda: studio.exports.create_export(imported_id, ExportRequest(experiment_id=trained.id, format="onnx")),
        lambda: studio.splits.create_split(
            imported_id, SplitCreate(name="second", ratios=SplitRatios(train=0.5, val=0.3, test=0.2))
        ),
        lambda: studio.training.start_training(imported_id, untrained.id),
    ]
    disk.fill()
    refused = 0
    for creation in creations:
        with pytest.raises(OSError, match="No space") as caught:
            creation()
        assert caught.value.errno == errno.ENOSPC
        refused += 1
    assert refused == 5
    assert [count_entries(place) for place in places] == before
    disk.empty()
    assert train_to_end(studio, imported_id, untrained).status == "completed"


def test_a_completed_evaluation_outlives_one_that_fails(
    studio: Studio, disk: SmallDisk, imported_id: str, trained: ExperimentRecord
) -> None:
    assert evaluate(studio, imported_id, trained.id) == "completed"
    first = studio.evaluations.get_evaluation(imported_id, trained.id)
    disk.fill()
    with pytest.raises(OSError, match="No space"):
        evaluate(studio, imported_id, trained.id)
    assert studio.evaluations.get_evaluation(imported_id, trained.id) == first
    disk.empty()
    assert evaluate(studio, imported_id, trained.id) == "completed"
    second = studio.evaluations.get_evaluation(imported_id, trained.id)
    assert second.evaluation is not None
    assert first.evaluation is not None
    assert second.evaluation.job_id != first.evaluation.job_id
    assert second.aggregate == first.aggregate
    assert not studio._paths.next_evaluation_dir(imported_id, trained.id).exists()


def test_the_end_of_an_evaluation_that_cannot_be_written_holds_nothing_up(
    studio: Studio, disk: SmallDisk, imported_id: str, trained: ExperimentRecord
) -> None:
    assert evaluate(studio, imported_id, trained.id) == "completed"
    endless = studio.evaluations.start_evaluation(imported_id, trained.id, EvaluationRequest(batch_size=13))
    disk.fill()
    studio.scheduler.cancel(endless.job_id or "")
    studio.scheduler.wait(endless.job_id or "", WAIT_S)
    view = studio.evaluations.get_evaluation(imported_id, trained.id)
    assert view.aggregate is not None
    assert view.failed_attempt is not None
    assert view.failed_attempt.status == "cancelled"
    disk.empty()
    assert evaluate(studio, imported_id, trained.id) == "completed"


def test_a_deleted_project_is_not_there_even_where_the_list_cannot_be_written(
    studio: Studio, disk: SmallDisk, imported_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.projects.free_space", lambda path: None)
    disk.fill()
    studio.projects.delete_project(imported_id)
    assert studio.projects.list_projects().projects == []
    with pytest.raises(NotFoundError):
        studio.projects.get_project(imported_id)
    disk.empty()
    monkeypatch.undo()
    studio.projects.create_project(ProjectCreate(name="Next", task="classification"))
    assert imported_id not in studio._paths.workspace_file.read_text()
