"""A completed run is continued as a fork from its last checkpoint, in one request."""

from __future__ import annotations

import pytest

from app.core.exceptions import ConflictError, GpuNotAvailableError
from app.core.studio import Studio
from app.schemas.experiments import ExperimentRecord, ExperimentUpdate
from tests.core.conftest import WAIT_S, create_experiment, train_to_end


def train_more(studio: Studio, project_id: str, experiment_id: str, epochs: int | None = None) -> ExperimentRecord:
    started = studio.more_epochs.train_more(project_id, experiment_id, epochs)
    assert started.experiment_id != experiment_id
    studio.scheduler.wait(started.job_id or "", WAIT_S)
    return studio.experiments.get_experiment(project_id, started.experiment_id)


def test_a_completed_experiment_is_trained_further_as_a_fork(studio: Studio, imported_id: str) -> None:
    record = train_to_end(studio, imported_id, create_experiment(studio, imported_id, batch_size=4))
    fork = train_more(studio, imported_id, record.id, 3)
    assert (fork.name, fork.status) == ("first 3 more epochs", "completed")
    assert fork.parent == {
        "experiment_id": record.id,
        "run_id": record.current_run_id or "",
        "checkpoint": "last",
    }
    assert fork.hyperparameters == {**record.hyperparameters, "max_epochs": 3, "warmup_epochs": 1}
    assert studio.experiments.get_experiment(imported_id, record.id) == record


def test_without_a_number_it_is_what_max_epochs_was_raised_by_or_the_same_again(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    fork = train_more(studio, imported_id, trained.id)
    assert (fork.name, fork.hyperparameters["max_epochs"]) == ("first 2 more epochs", 2)
    assert train_more(studio, imported_id, fork.id, 1).name == "first 1 more epoch"
    assert train_more(studio, imported_id, trained.id, 2).name == "first 2 more epochs 2"


def test_raising_the_epochs_of_a_completed_experiment_names_the_way(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    more = ExperimentUpdate(hyperparameters={"max_epochs": 9})
    studio.experiments.update_experiment(imported_id, trained.id, more)
    path = f"/api/training/{imported_id}/experiments/{trained.id}/more"
    for begin in (studio.training.start_training, studio.training.resume_training):
        with pytest.raises(ConflictError) as refused:
            begin(imported_id, trained.id)
        assert path in refused.value.message
        assert refused.value.details == {"more_epochs": {"method": "POST", "path": path, "body": {"epochs": 9}}}


def test_only_a_completed_experiment_is_continued(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    with pytest.raises(ConflictError, match="is created has no completed run"):
        studio.more_epochs.train_more(imported_id, record.id, 1)


def test_what_cannot_be_trained_leaves_no_fork_behind(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    gpu = ExperimentUpdate(hardware={"selected_devices": ["gpu:9"]})
    studio.experiments.update_experiment(imported_id, trained.id, gpu)
    with pytest.raises(GpuNotAvailableError):
        studio.more_epochs.train_more(imported_id, trained.id, 1)
    assert len(studio.experiments.list_experiments(imported_id).experiments) == 1
