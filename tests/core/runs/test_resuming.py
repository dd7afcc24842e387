"""Settings that are changed while a run is paused, and how long a run took."""

from __future__ import annotations

import os
from typing import Any

import pytest

from app.api.pages.training.actions import list_actions
from app.core.exceptions import ConflictError
from app.core.lookup import Lookup
from app.core.runs.resuming import find_resume_obstacle, settings_of_run
from app.core.stores import open_stores
from app.core.studio import Studio
from app.schemas.common import parse_time, seconds_between
from app.schemas.experiments import ExperimentRecord, ExperimentUpdate, RunConfigRecord, RunRecord
from app.schemas.splits import SplitCreate, SplitRatios
from app.storage.paths import WorkspacePaths
from tests.core.conftest import WAIT_S, create_experiment, train_to_end
from tests.core.runs.test_training import wait_for_epochs


def pause_one(studio: Studio, project_id: str, **settings: Any) -> ExperimentRecord:
    record = create_experiment(studio, project_id, seed=17, max_epochs=3, **settings)
    started = studio.training.start_training(project_id, record.id)
    wait_for_epochs(studio, project_id, record.id, 2)
    studio.training.pause_training(project_id, record.id)
    studio.scheduler.wait(started.job_id or "", WAIT_S)
    return studio.experiments.get_experiment(project_id, record.id)


def read_run(studio: Studio, project_id: str, record: ExperimentRecord) -> RunRecord:
    return studio.experiments.list_runs(project_id, record.id).runs[0]


def change(studio: Studio, project_id: str, record: ExperimentRecord, **changes: Any) -> None:
    studio.experiments.update_experiment(project_id, record.id, ExperimentUpdate.model_validate(changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hyperparameters": {"batch_size": 5}}, "its batch size was changed from 2 to 5. Set it back to 2"),
        ({"split_name": "other"}, "its split was changed from main to other. Set it back to main"),
        ({"model": {"freeze_backbone": True}}, "its freezing of the backbone was changed from off to on."),
        ({"hardware": {"selected_devices": ["gpu:0", "gpu:1"]}}, "its number of devices was changed from 1 to 2."),
        ({"hyperparameters": {"batch_size": 2, "learning_rate": 0.5}}, ""),
    ],
)
def test_what_keeps_a_run_from_being_resumed_is_said_before_and_can_be_set_back(
    studio: Studio, imported_id: str, changes: dict[str, Any], reason: str
) -> None:
    studio.splits.create_split(imported_id, SplitCreate(name="other", ratios=SplitRatios(train=0.8, val=0.2, test=0.0)))
    record = pause_one(studio, imported_id, batch_size=2)
    change(studio, imported_id, record, **changes)
    said = studio.training_results.get_results(imported_id, record.id).reasons.get("resume", "")
    assert reason in said
    refusal = studio.experiment_checks.check(imported_id, record.id).refusal
    assert refusal == (said or "This experiment is paused. To continue, resume it. To train from scratch, restart it.")
    assert bool(reason) == bool(said)
    if reason:
        with pytest.raises(ConflictError, match="cannot be resumed"):
            studio.training.resume_training(imported_id, record.id)
        back = record.model_dump(include={"model", "hyperparameters", "hardware", "split_name"})
        change(studio, imported_id, record, **back)
    resumed = studio.training.resume_training(imported_id, record.id)
    studio.scheduler.wait(resumed.job_id or "", WAIT_S)
    assert studio.experiments.get_experiment(imported_id, record.id).status == "completed"


@pytest.mark.parametrize("status", ["cancelled", "failed", "interrupted"])
def test_checks_of_a_run_that_stopped_say_what_they_are_about_and_what_prevents_resuming(
    studio: Studio, imported_id: str, status: str
) -> None:
    record = pause_one(studio, imported_id, batch_size=2)
    studio._stores.experiments.update(
        imported_id, record.id, lambda current: current.model_copy(update={"status": status})
    )
    found = studio.experiment_checks.check(imported_id, record.id)
    assert found.note == (
        "These checks are about training from scratch. Resume instead continues the run from its last checkpoint."
    )
    assert (found.can_train, found.refusal) == (True, "")
    change(studio, imported_id, record, hyperparameters={"batch_size": 5})
    blocked = studio.experiment_checks.check(imported_id, record.id)
    assert blocked.note.startswith("These checks are about training from scratch. This run cannot be resumed, because")
    assert blocked.can_train
    untrained = create_experiment(studio, imported_id, "untrained")
    assert studio.experiment_checks.check(imported_id, untrained.id).note == ""


def test_what_a_resumed_run_ignores_is_said_before_and_not_recorded_as_used(studio: Studio, imported_id: str) -> None:
    record = pause_one(studio, imported_id, learning_rate=0.5)
    assert studio.training_results.get_results(imported_id, record.id).resume_changes == ""
    assert record.model.pretrained is False
    change(studio, imported_id, record, model={"pretrained": True}, hyperparameters={"learning_rate": 0.25})
    results = studio.training_results.get_results(imported_id, record.id)
    assert results.resume_changes == (
        "Changed settings that apply from here on: hyperparameters.learning_rate 0.5 then, 0.25 now. Ignored, because "
        "the weights come from the checkpoint: model.pretrained off then, on now."
    )
    (resume,) = [action for action in list_actions(results) if action.id == "resume"]
    assert resume.help.endswith(results.resume_changes)
    resumed = studio.training.resume_training(imported_id, record.id)
    studio.scheduler.wait(resumed.job_id or "", WAIT_S)
    done = studio.experiments.get_experiment(imported_id, record.id)
    assert done.status == "completed"
    assert (done.model.pretrained, done.hyperparameters["learning_rate"]) == (False, 0.25)
    config = studio.training_results.get_results(imported_id, record.id).config
    assert config is not None
    assert config.requested["model"]["pretrained"] is False
    assert config.requested["hyperparameters"]["learning_rate"] == 0.25


@pytest.mark.parametrize(("epochs", "is_refused"), [(1, True), (2, True), (3, False), (5, False)])
def test_fewer_epochs_than_were_trained_keep_a_run_from_being_resumed(
    studio: Studio, imported_id: str, epochs: int, is_refused: bool
) -> None:
    record = pause_one(studio, imported_id)  # in epoch 3 of 3
    change(studio, imported_id, record, hyperparameters={"max_epochs": epochs})
    said = studio.training_results.get_results(imported_id, record.id).reasons.get("resume", "")
    assert said == (
        f"This run cannot be resumed, because its maximum number of epochs was changed from 3 to {epochs} and 2 epochs "
        "are trained already. Set it to more than 2 to resume; to train no further, keep the best checkpoint."
        if is_refused
        else ""
    )
    if is_refused:
        with pytest.raises(ConflictError, match="Set it to more than 2 to resume"):
            studio.training.resume_training(imported_id, record.id)


def test_a_run_that_ends_before_the_epochs_it_had_reached_keeps_its_best_epoch(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    run = read_run(studio, imported_id, trained)
    job = studio.scheduler.get(run.job_id or "")
    assert trained.best_epoch == 2
    behind = {"best_epoch": 1, "best_metric": {"val_accuracy": 0.1}, "final_metrics": {}, "epochs_done": 1}
    studio.run_observer.on_finished(job.model_copy(update={"result": behind}))
    record = studio.experiments.get_experiment(imported_id, trained.id)
    assert (record.best_epoch, record.best_metric) == (2, trained.best_metric)


def test_another_batch_size_with_as_many_batches_is_resumed(studio: Studio, imported_id: str) -> None:
    record = pause_one(studio, imported_id, batch_size=16)  # 12 images: one batch in either case
    change(studio, imported_id, record, hyperparameters={"batch_size": 32})
    assert "resume" not in studio.training_results.get_results(imported_id, record.id).reasons


@pytest.mark.parametrize(
    "changes",
    [
        {"hyperparameters": {"batch_size": 4, "max_epochs": 50}},
        {"model": {"dropout": 0.7}},
        {"augmentations": {"train": [], "val": []}},
    ],
)
def test_kept_model_has_the_settings_that_it_was_trained_with(
    studio: Studio, imported_id: str, changes: dict[str, Any]
) -> None:
    record = pause_one(studio, imported_id, batch_size=2)
    change(studio, imported_id, record, **changes)
    studio.training.stop_training(imported_id, record.id, keep=True)
    kept = studio.experiments.get_experiment(imported_id, record.id)
    assert kept.status == "completed"
    for name in ("model", "hyperparameters", "augmentations", "hardware", "split_name"):
        assert getattr(kept, name) == getattr(record, name), name


@pytest.mark.parametrize(
    "requested",
    [
        {"hardware": {"selected_devices": 5}},
        {"hyperparameters": {"batch_size": "many"}},
        {"model": {"backbone": "resnet18", "unknown": {}}},
    ],
)
def test_settings_that_cannot_be_read_change_nothing(
    studio: Studio, imported_id: str, trained: ExperimentRecord, requested: dict[str, Any]
) -> None:
    lookup = Lookup(open_stores(WorkspacePaths(studio.settings.workspace_root)))
    config = RunConfigRecord(
        run_id=trained.current_run_id or "",
        experiment_id=trained.id,
        created_at=trained.created_at,
        requested={},
        resolved={},
    ).model_copy(update={"requested": requested})
    assert settings_of_run(trained, config) == {}
    assert find_resume_obstacle(lookup, imported_id, trained, config) == ""


def test_time_before_the_decision_to_keep_a_model_does_not_count(studio: Studio, imported_id: str) -> None:
    record = pause_one(studio, imported_id)
    stopped = read_run(studio, imported_id, record)
    studio.training.stop_training(imported_id, record.id, keep=True)
    kept = read_run(studio, imported_id, record)
    assert (kept.status, kept.completed_at) == ("completed", stopped.completed_at)
    assert studio.experiments.get_experiment(imported_id, record.id).completed_at == stopped.completed_at


def test_log_of_a_kept_run_ends_with_the_decision(studio: Studio, imported_id: str) -> None:
    record = pause_one(studio, imported_id)
    path = WorkspacePaths(studio.settings.workspace_root).run_dir(imported_id, record.id, record.current_run_id or "")
    (path / "logs").mkdir(exist_ok=True)
    (path / "logs" / "training.log").write_text("2026-01-01T00:00:00Z Paused in epoch 2.\n")
    studio.training.stop_training(imported_id, record.id, keep=True)
    text = studio.run_logs.read_log(imported_id, record.id, 0).text
    assert text.splitlines()[-1].endswith("Kept the best checkpoint of epoch 2 as the result. The run is completed.")


def test_a_resumed_run_keeps_its_start_and_the_time_of_its_earlier_part(studio: Studio, imported_id: str) -> None:
    record = pause_one(studio, imported_id)
    first = read_run(studio, imported_id, record)
    resumed = studio.training.resume_training(imported_id, record.id)
    studio.scheduler.wait(resumed.job_id or "", WAIT_S)
    run = read_run(studio, imported_id, record)
    assert run.first_started_at == first.started_at
    assert run.earlier_s == pytest.approx(seconds_between(first.started_at, first.completed_at), abs=0.001)
    assert run.started_at is not None
    assert first.completed_at is not None
    assert run.started_at > first.completed_at


def test_a_run_that_was_interrupted_ended_with_its_last_event(studio: Studio, imported_id: str) -> None:
    record = train_to_end(studio, imported_id, create_experiment(studio, imported_id))
    run = read_run(studio, imported_id, record)
    job = studio.scheduler.get(run.job_id or "").model_copy(update={"status": "interrupted"})
    events = studio._paths.job_dir(imported_id, job.id) / "events.jsonl"
    last = parse_time(job.started_at or "").timestamp() + 0.05
    os.utime(events, (last, last))
    studio.run_observer.on_finished(job)
    ended = read_run(studio, imported_id, record)
    assert ended.status == "interrupted"
    assert seconds_between(job.started_at, ended.completed_at) == pytest.approx(0.05, abs=0.01)
