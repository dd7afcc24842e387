"""Runs: from start to end, and every way to end one early."""

from __future__ import annotations

import time
from typing import Any

import pytest

from app.core.exceptions import (
    CheckpointNotFoundError,
    ConflictError,
    DatasetNotImportedError,
    GpuNotAvailableError,
    SplitNotFoundError,
    TrainingInProgressError,
)
from app.core.studio import Studio
from app.schemas.experiments import ExperimentCreate, ExperimentUpdate
from tests.core.conftest import WAIT_S, create_experiment, train_to_end


def wait_for_epochs(studio: Studio, project_id: str, experiment_id: str, count: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while len(studio.experiments.read_metrics(project_id, experiment_id).epochs) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_run_is_recorded(studio: Studio, imported_id: str) -> None:
    record = train_to_end(studio, imported_id, create_experiment(studio, imported_id))
    assert (record.status, record.best_epoch) == ("completed", 2)
    assert record.best_metric == {"val_accuracy": pytest.approx(2 / 3)}
    assert set(record.checkpoints) == {"best", "last"}
    assert [epoch.epoch for epoch in studio.experiments.read_metrics(imported_id, record.id).epochs] == [1, 2]
    runs = studio.experiments.list_runs(imported_id, record.id).runs
    assert [run.status for run in runs] == ["completed"]
    types = [line.type for line in studio.bus.read(imported_id, 0, 1000)]
    assert types.count("TRAIN_RUN_FINISHED") == 1
    assert types.index("TRAIN_RUN_STARTED") < types.index("EPOCH_FINISHED") < types.index("TRAIN_RUN_FINISHED")


def test_training_needs_a_dataset_and_a_split(studio: Studio, project_id: str) -> None:
    with pytest.raises(DatasetNotImportedError):
        create_experiment(studio, project_id)


def test_training_without_its_split_is_refused(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    deleted = studio.splits.delete_split(imported_id, "main")
    assert "first" in deleted.warnings[0]
    with pytest.raises(SplitNotFoundError):
        studio.training.start_training(imported_id, record.id)


def test_a_missing_gpu_is_refused(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    update = ExperimentUpdate(hardware={"selected_devices": ["gpu:15"]})
    studio.experiments.update_experiment(imported_id, record.id, update)
    with pytest.raises(GpuNotAvailableError, match="gpu:15"):
        studio.training.start_training(imported_id, record.id)


def test_a_failed_run_says_why_and_can_be_started_again(studio: Studio, imported_id: str) -> None:
    record = train_to_end(studio, imported_id, create_experiment(studio, imported_id, seed=13))
    assert record.status == "failed"
    assert record.error is not None
    assert record.error.message == "The seed is unlucky."
    studio.experiments.update_experiment(imported_id, record.id, ExperimentUpdate(hyperparameters={"seed": 1}))
    assert train_to_end(studio, imported_id, record).status == "completed"
    assert len(studio.experiments.list_runs(imported_id, record.id).runs) == 2


def test_a_run_is_cancelled(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id, seed=14)
    started = studio.training.start_training(imported_id, record.id)
    with pytest.raises(TrainingInProgressError):
        studio.training.start_training(imported_id, record.id)
    wait_for_epochs(studio, imported_id, record.id, 1)
    studio.training.stop_training(imported_id, record.id, keep=False)
    studio.scheduler.wait(started.job_id or "", 20)
    assert studio.experiments.get_experiment(imported_id, record.id).status == "cancelled"
    with pytest.raises(ConflictError):
        studio.training.stop_training(imported_id, record.id, keep=False)


def test_stop_and_keep_completes(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id, seed=14)
    started = studio.training.start_training(imported_id, record.id)
    wait_for_epochs(studio, imported_id, record.id, 2)
    studio.training.stop_training(imported_id, record.id, keep=True)
    studio.scheduler.wait(started.job_id or "", 20)
    assert studio.experiments.get_experiment(imported_id, record.id).status == "completed"


def test_pause_and_resume_continue_the_same_curve(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id, seed=17, max_epochs=5)
    started = studio.training.start_training(imported_id, record.id)
    wait_for_epochs(studio, imported_id, record.id, 2)
    studio.training.pause_training(imported_id, record.id)
    studio.scheduler.wait(started.job_id or "", 20)
    assert studio.experiments.get_experiment(imported_id, record.id).status == "paused"
    resumed = studio.training.resume_training(imported_id, record.id)
    assert resumed.run_id == started.run_id
    studio.scheduler.wait(resumed.job_id or "", WAIT_S)
    assert studio.experiments.get_experiment(imported_id, record.id).status == "completed"
    epochs = [epoch.epoch for epoch in studio.experiments.read_metrics(imported_id, record.id).epochs]
    assert epochs == [1, 2, 3, 4, 5]


def test_a_run_that_pauses_by_itself_says_why_until_it_goes_on(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id, seed=16, max_epochs=2)
    started = studio.training.start_training(imported_id, record.id)
    studio.scheduler.wait(started.job_id or "", WAIT_S)
    paused = studio.experiments.get_experiment(imported_id, record.id)
    assert paused.status == "paused"
    assert paused.error is not None
    assert (paused.error.type, paused.error.message) == ("DiskFull", "The disk is full. Free up disk space.")
    [run] = studio.experiments.list_runs(imported_id, record.id).runs
    assert (run.status, run.skipped_images) == ("paused", 1)
    resumed = studio.training.resume_training(imported_id, record.id)
    studio.scheduler.wait(resumed.job_id or "", WAIT_S)
    completed = studio.experiments.get_experiment(imported_id, record.id)
    assert (completed.status, completed.error) == ("completed", None)


def test_a_run_that_went_back_forgets_the_epochs_that_it_trains_again(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id, seed=18, max_epochs=3)
    started = studio.training.start_training(imported_id, record.id)
    studio.scheduler.wait(started.job_id or "", WAIT_S)
    types = [line.type for line in studio.bus.read(imported_id, 0, 1000)]
    assert (types.count("EPOCH_FINISHED"), types.count("RUN_RECOVERED")) == (3, 1)
    assert [epoch.epoch for epoch in studio.experiments.read_metrics(imported_id, record.id).epochs] == [1]
    resumed = studio.training.resume_training(imported_id, record.id)
    studio.scheduler.wait(resumed.job_id or "", WAIT_S)
    assert [epoch.epoch for epoch in studio.experiments.read_metrics(imported_id, record.id).epochs] == [1, 2, 3]


def test_a_checkpoint_that_no_event_told_of_is_recorded_at_the_end(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id, seed=20, max_epochs=2)
    studio.scheduler.wait(studio.training.start_training(imported_id, record.id).job_id or "", WAIT_S)
    checkpoints = studio.experiments.get_experiment(imported_id, record.id).checkpoints
    assert {name: (info.epoch, info.size_mb) for name, info in checkpoints.items()} == {
        "best": (2, 0.001),
        "last": (2, 0.0),
    }
    assert checkpoints["best"].path.endswith("/checkpoints/best.ckpt")


def test_the_record_of_a_run_says_what_it_computes_with_now(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    ids = imported_id, record.id, train_to_end(studio, imported_id, record).current_run_id or ""
    first = studio._stores.experiments.read_run_config(*ids)
    assert first is not None
    divided = first.model_copy(update={"created_at": "later", "resolved": {"micro_batch_size": 4}})
    studio._stores.experiments.write_run_config(imported_id, divided)
    latest = studio._stores.experiments.read_run_config(*ids)
    assert latest is not None
    assert (latest.created_at, latest.resolved) == (first.created_at, {"micro_batch_size": 4})


@pytest.mark.parametrize(
    ("change", "back", "name"),
    [
        ({"hyperparameters": {"optimizer": "sgd"}}, {"hyperparameters": {"optimizer": "adam"}}, "optimizer"),
        ({"model": {"backbone": "resnet50"}}, {"model": {"backbone": "resnet18"}}, "model"),
    ],
)
def test_a_run_is_not_resumed_with_what_its_checkpoint_means_nothing_to(
    studio: Studio, imported_id: str, change: dict[str, Any], back: dict[str, Any], name: str
) -> None:
    record = create_experiment(studio, imported_id, seed=17, max_epochs=3)
    studio.experiments.update_experiment(imported_id, record.id, ExperimentUpdate.model_validate(back))
    started = studio.training.start_training(imported_id, record.id)
    wait_for_epochs(studio, imported_id, record.id, 2)
    studio.training.pause_training(imported_id, record.id)
    studio.scheduler.wait(started.job_id or "", 20)
    studio.experiments.update_experiment(imported_id, record.id, ExperimentUpdate.model_validate(change))
    with pytest.raises(ConflictError, match=f"because its {name} was changed from"):
        studio.training.resume_training(imported_id, record.id)
    assert studio.experiments.get_experiment(imported_id, record.id).status == "paused"
    studio.experiments.update_experiment(imported_id, record.id, ExperimentUpdate.model_validate(back))
    resumed = studio.training.resume_training(imported_id, record.id)
    studio.scheduler.wait(resumed.job_id or "", WAIT_S)
    assert studio.experiments.get_experiment(imported_id, record.id).status == "completed"


def test_nothing_to_resume_is_said(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id, seed=13)
    with pytest.raises(ConflictError):
        studio.training.resume_training(imported_id, record.id)
    train_to_end(studio, imported_id, record)
    with pytest.raises(CheckpointNotFoundError, match="Restart it"):
        studio.training.resume_training(imported_id, record.id)


def test_restart_returns_the_record_to_created(studio: Studio, imported_id: str) -> None:
    record = train_to_end(studio, imported_id, create_experiment(studio, imported_id))
    with pytest.raises(ConflictError, match="restart or duplicate it"):
        studio.training.start_training(imported_id, record.id)
    fresh = studio.training.restart_experiment(imported_id, record.id)
    assert (fresh.status, fresh.best_metric, fresh.checkpoints) == ("created", {}, {})
    assert train_to_end(studio, imported_id, fresh).status == "completed"


def test_an_experiment_needs_a_split_that_exists(studio: Studio, imported_id: str) -> None:
    with pytest.raises(SplitNotFoundError, match="main"):
        studio.experiments.create_experiment(imported_id, ExperimentCreate(name="x", split_name="other"))
