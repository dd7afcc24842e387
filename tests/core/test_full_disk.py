"""On a disk with no byte free everything can be deleted, which frees its space, and nothing needs a restart."""

from __future__ import annotations

import errno
import io
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.core.exceptions import ExperimentNotFoundError, NotFoundError
from app.core.signed_out import SignedOut
from app.core.studio import Studio
from app.schemas.datasets import ImportOptions
from app.schemas.evaluation import EvaluationRequest
from app.schemas.experiments import ExperimentCreate, ExperimentRecord
from app.schemas.export import ExportRequest
from app.schemas.projects import ProjectCreate
from app.schemas.splits import SplitCreate, SplitRatios
from app.storage.reserve import SLACK_BYTES
from tests.api.operations import list_operations
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


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def evaluate(studio: Studio, project_id: str, experiment_id: str) -> str:
    started = studio.evaluations.start_evaluation(project_id, experiment_id, EvaluationRequest())
    return studio.scheduler.wait(started.job_id or "", WAIT_S).status


def start_and_wait(studio: Studio, project_id: str, record: ExperimentRecord) -> str:
    """Return the job of a run that waits in its first epoch, when all that it reports before is written."""
    started = studio.training.start_training(project_id, record.id)
    wait_until((studio._paths.run_dir(project_id, record.id, started.run_id or "") / "config.json").exists)
    return started.job_id or ""


def test_every_noun_is_deleted_and_frees_its_space(
    studio: Studio, disk: SmallDisk, imported_id: str, trained: ExperimentRecord
) -> None:
    assert evaluate(studio, imported_id, trained.id) == "completed"
    request = ExportRequest(experiment_id=trained.id, format="onnx")
    export = studio.exports.create_export(imported_id, request)
    studio.scheduler.wait(export.job_id or "", WAIT_S)
    upload = studio.imports.receive_upload(
        imported_id, [("a.png", io.BytesIO(bytes(8192)))], None, None, is_final=False, options=ImportOptions()
    )
    deletions: dict[str, Callable[[], object]] = {
        "DELETE /api/splits/{pid}/{split_name}": lambda: studio.splits.delete_split(imported_id, "main"),
        "DELETE /api/datasets/{pid}/import/upload/{upload_id}": lambda: studio.imports.remove_upload(
            imported_id, upload.upload_id
        ),
        "DELETE /api/predict/{pid}/{eid}": lambda: studio.predictions.unload(imported_id, trained.id),
        "DELETE /api/evaluation/{pid}/{eid}": lambda: studio.evaluations.reset_evaluation(imported_id, trained.id),
        "DELETE /api/export/{pid}/{xid}": lambda: studio.exports.delete_export(imported_id, export.id),
        "DELETE /api/training/{pid}/experiments/{eid}": lambda: studio.experiments.delete_experiment(
            imported_id, trained.id
        ),
        "DELETE /api/datasets/{pid}": lambda: studio.datasets.clear_dataset(imported_id),
        "DELETE /api/projects/{pid}": lambda: studio.projects.delete_project(imported_id),
    }
    assert deletions.keys() == {each.name for each in list_operations() if each.method == "DELETE"}
    freed = {}
    for noun, delete in deletions.items():
        disk.fill()
        assert free_bytes(disk) == 0
        delete()
        freed[noun] = free_bytes(disk)
        assert count_entries(disk.root / "workspace" / ".trash") == 0
        disk.empty()
    assert freed.pop("DELETE /api/predict/{pid}/{eid}") == 0  # it only ends a process
    assert len(freed) == 7
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


def test_a_split_can_be_deleted_every_time_that_nothing_is_free(
    studio: Studio, disk: SmallDisk, imported_id: str
) -> None:
    names = [f"split {number}" for number in range(8)]
    for name in names:
        studio.splits.create_split(
            imported_id, SplitCreate(name=name, ratios=SplitRatios(train=0.6, val=0.2, test=0.2))
        )
    for name in names:  # what a deletion frees is taken by somebody else, again and again
        disk.fill()
        assert free_bytes(disk) == 0
        studio.splits.delete_split(imported_id, name)
        assert free_bytes(disk) > 0
    assert [split.name for split in studio.splits.list_splits(imported_id).splits] == ["main"]
    disk.empty()
    studio._stores.documents.reserve.fill()
    assert (disk.root / "workspace" / ".reserve").stat().st_size > SLACK_BYTES


def test_what_ends_or_resets_something_works_and_lasts(
    studio: Studio, disk: SmallDisk, imported_id: str, trained: ExperimentRecord
) -> None:
    endless = create_experiment(studio, imported_id, "endless", seed=21)  # writes nothing that could fail
    waiting = create_experiment(studio, imported_id, "waiting")
    kept = create_experiment(studio, imported_id, "kept", seed=17)
    kept_job = studio.training.start_training(imported_id, kept.id).job_id or ""
    wait_until(lambda: len(studio.experiments.read_metrics(imported_id, kept.id).epochs) == 2)
    studio.training.pause_training(imported_id, kept.id)
    assert studio.scheduler.wait(kept_job, WAIT_S).status == "paused"
    endless_job = start_and_wait(studio, imported_id, endless)
    waiting_job = studio.training.start_training(imported_id, waiting.id).job_id or ""
    operations: list[tuple[Callable[[], object], str, str]] = [
        (lambda: studio.training.stop_training(imported_id, waiting.id, keep=False), waiting.id, "cancelled"),
        (lambda: studio.training.stop_training(imported_id, kept.id, keep=True), kept.id, "completed"),
        (lambda: studio.training.restart_experiment(imported_id, trained.id), trained.id, "created"),
    ]
    done = 0
    for operation, experiment_id, status in operations:
        disk.fill()
        operation()
        record = studio._paths.experiment_file(imported_id, experiment_id).read_text()
        assert json.loads(record)["status"] == status
        done += 1
    assert done == 3
    job_file = studio._paths.job_dir(imported_id, waiting_job) / "job.json"
    assert json.loads(job_file.read_text())["status"] == "cancelled"
    disk.fill()
    ended = SignedOut(studio._stores.documents, lambda: 0.0)
    ended.add("session", 10.0)
    assert SignedOut(studio._stores.documents, lambda: 0.0).has("session", 10.0)
    disk.fill()
    studio.training.stop_training(imported_id, endless.id, keep=False)
    assert studio.scheduler.wait(endless_job, WAIT_S).status == "cancelled"
    assert studio.experiments.get_experiment(imported_id, endless.id).status == "cancelled"
    disk.empty()
    assert train_to_end(studio, imported_id, waiting).status == "completed"


def test_the_end_of_a_run_is_recorded_when_there_is_room_again(
    studio: Studio, disk: SmallDisk, imported_id: str
) -> None:
    record = create_experiment(studio, imported_id, "endless", seed=21)
    job_id = start_and_wait(studio, imported_id, record)
    reserve = disk.root / "workspace" / ".reserve"
    while free_bytes(disk) or reserve.exists():  # somebody else is faster than the reserve
        reserve.unlink(missing_ok=True)
        disk.fill()
    studio.scheduler.cancel(job_id)
    assert studio.scheduler.wait(job_id, WAIT_S).status == "cancelled"
    disk.empty()
    wait_until(lambda: studio.experiments.get_experiment(imported_id, record.id).status == "cancelled")
    job_file = studio._paths.job_dir(imported_id, job_id) / "job.json"
    wait_until(lambda: json.loads(job_file.read_text())["status"] == "cancelled")
    assert studio.training.restart_experiment(imported_id, record.id).status == "created"


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
