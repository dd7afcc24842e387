"""A run from its request to its result: events, files, commands, and what it refuses."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from app.schemas.events import (
    BestModelUpdated,
    CheckpointSaved,
    EpochFinished,
    JobProgressed,
    LogLine,
    MetricScalar,
    ResourceStats,
    RunConfigResolved,
    TrainProgress,
    TrainRunStarted,
)
from app.schemas.job_context import JobCancelled, JobFailure
from app.schemas.jobs import JobCommand
from app.schemas.tasks import AugmentationEntry
from app.throttle import Throttle
from app.training import live_run, start
from app.training.checkpoints import savings
from app.training.reporting import RunReporter
from app.training.run import run
from app.training.start import _report_downloads
from tests.training.fakes import SETTLED, FakeContext, Workplace, build_parts, command_after, load_checkpoint, run_fake


def train_once(workplace: Workplace, name: str = "run", **settings: Any) -> tuple[FakeContext, dict[str, Any]]:
    payload = workplace.payload(**settings)
    context = workplace.context(name, payload)
    return context, run_fake(context, payload)


def test_a_run_learns_and_says_how_it_ended(workplace: Workplace) -> None:
    _, result = train_once(workplace, hyperparameters={"max_epochs": 20}, model={"dropout": 0.0}, hardware=SETTLED)
    assert result["best_metric"]["val_accuracy"] > 0.8
    assert 1 <= result["best_epoch"] <= result["epochs_done"] == 20
    assert set(result["final_metrics"]) == {"train_loss", "val_loss", "val_accuracy"}
    assert result["images_per_s"] > 0
    assert result["checkpoints"]["best"]["epoch"] == result["best_epoch"]
    assert "outcome" not in result
    json.dumps(result, allow_nan=False)


def test_events_come_in_order_and_once_for_each_epoch(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(savings, "MAX_SAVE_SHARE", 1e9)
    context, _ = train_once(workplace)
    # What a thread reports of the machine comes whenever it comes.
    kinds = [event.type for event in context.events if not isinstance(event, ResourceStats)]
    assert kinds[:3] == ["STAGE_STATUS", "TRAIN_RUN_STARTED", "RUN_CONFIG_RESOLVED"]
    assert kinds[-2:] == ["TRAIN_PROGRESS", "STAGE_STATUS"]
    assert [event.metrics.epoch for event in context.of(EpochFinished)] == [1, 2, 3]
    steps = [event.step for event in context.of(MetricScalar) if event.name == "val_accuracy"]
    assert steps == [1, 2, 3]
    assert Counter(event.split for event in context.of(MetricScalar)) == {"train": 3, "val": 6}
    assert len(context.of(CheckpointSaved)) == 3 + len(context.of(BestModelUpdated))
    assert len(context.of(ResourceStats)) >= 1
    assert {event.phase for event in context.of(TrainProgress)} >= {"init", "finalize"}


def test_the_record_holds_what_really_ran(workplace: Workplace) -> None:
    context, _ = train_once(workplace, hyperparameters={"batch_multiplier": 2})
    [started], [resolved] = context.of(TrainRunStarted), context.of(RunConfigResolved)
    assert (started.model_id, started.metric_primary) == ("tiny", "val_accuracy")
    record = resolved.resolved
    json.dumps(record, allow_nan=False)
    assert (record["precision"], record["effective_batch"], record["seed"]) == ("32-true", 8, 42)
    assert record["images"] == {"train": 22, "val": 9, "test": 0}
    assert record["schedule"] == {
        "epochs": 3, "batches_per_epoch": 6, "steps_per_epoch": 3, "warmup_steps": 4, "warmup_epochs": 1.3333,
    }  # fmt: skip
    assert record["preprocessing"]["recipe"]["mode"] == "stretch"
    assert record["hardware"]["devices"] == ["cpu"]
    assert record["model"]["parameters_total"] == record["model"]["parameters_trained"] == 3 * 4 * 9 + 4 + 8 + 15
    assert len(record["versions"]) == 7


def test_a_checkpoint_says_what_it_is(workplace: Workplace) -> None:
    context, result = train_once(workplace)
    content = load_checkpoint(workplace.root / "run", "best")
    assert set(content) == {"state_dict", "ai_studio", "resume"}
    assert any(name.startswith("model.head") for name in content["state_dict"])
    described = content["ai_studio"]
    assert described["context"]["classes"] == ["red", "green", "blue"]
    metrics = [event.metrics for event in context.of(EpochFinished) if event.metrics.epoch == result["best_epoch"]]
    assert len(metrics) == 1
    assert described["extra"]["epoch"] == result["best_epoch"]
    assert described["extra"]["metrics"]["val_accuracy"] == result["best_metric"]["val_accuracy"]
    assert described["extra"]["metrics"]["val_loss"] == metrics[0].model_dump()["val_loss"]
    assert described["extra"]["dataset_hash"]
    assert sorted(path.name for path in (workplace.root / "run/checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]


def test_nothing_is_written_but_checkpoints_and_the_log(workplace: Workplace, tmp_path: Path) -> None:
    train_once(workplace)
    written = sorted(str(path.relative_to(tmp_path / "run")) for path in (tmp_path / "run").rglob("*.*"))
    assert written == ["checkpoints/best.ckpt", "checkpoints/last.ckpt", "logs/training.log"]
    log = (tmp_path / "run/logs/training.log").read_text()
    assert log.count("Epoch ") == 3
    assert "Epoch 3/3: train_loss" in log


def test_progress_comes_by_time_and_knows_the_end(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_run, "PROGRESS_INTERVAL_S", 3600.0)
    context, _ = train_once(workplace, hyperparameters={"max_epochs": 8}, hardware=SETTLED)
    events = context.of(TrainProgress)
    assert len(events) < 8
    # The first step is said whatever the throttle lets through, also in a run that is over before it is due.
    assert next((event.epoch, event.step) for event in events if event.phase == "fit") == (1, 1)
    assert all(event.eta_s is None or event.eta_s >= 0 for event in events)
    assert events[-1].eta_s == 0.0
    assert all(1 <= event.epoch <= event.epochs == 8 for event in events)


@pytest.mark.parametrize("batches", [1, 4, 7])
def test_cancel_ends_at_the_next_batch_and_leaves_a_checkpoint(workplace: Workplace, batches: int) -> None:
    payload = workplace.payload()
    context = workplace.context("run", payload)
    context.decide = command_after(batches, "cancel")
    with pytest.raises(JobCancelled):
        run_fake(context, payload)
    assert context.asked == batches + 1
    assert load_checkpoint(context.output_dir)["resume"]["state"]["images_total"] > 0


@pytest.mark.parametrize(("batches", "epochs_done"), [(2, 1), (8, 1), (12, 1), (19, 2)])
def test_stop_and_keep_ends_as_completed_on_the_best_so_far(
    workplace: Workplace, batches: int, epochs_done: int
) -> None:
    payload = workplace.payload()
    context = workplace.context("run", payload)
    context.decide = command_after(batches, "stop_keep")
    result = run_fake(context, payload)
    assert result.get("outcome") is None
    assert result["epochs_done"] == len(context.of(EpochFinished)) == epochs_done
    assert result["best_epoch"] is not None
    load_checkpoint(context.output_dir, "best")


def test_a_command_before_the_first_batch_is_obeyed(workplace: Workplace) -> None:
    payload = workplace.payload()
    context = workplace.context("run", payload)
    command: JobCommand = "cancel"
    context.decide = lambda _: command
    with pytest.raises(JobCancelled):
        run_fake(context, payload)
    assert context.asked == 1


def test_a_model_without_a_gradient_is_filled_once(workplace: Workplace) -> None:
    parts, payload = build_parts(), workplace.payload({"max_epochs": 9, "ema": True}, {"backbone": "means"})
    context = workplace.context("run", payload)
    result = run_fake(context, payload, parts)
    assert result["best_metric"]["val_accuracy"] > 0.8
    assert (result["epochs_done"], result["best_epoch"]) == (1, 1)
    [epoch] = context.of(EpochFinished)
    assert epoch.metrics.train_loss is None
    [model] = parts.module.built  # type: ignore[attr-defined]
    assert (model.num_finished, float(model.counts.sum())) == (1, 22.0)
    assert load_checkpoint(context.output_dir, "best")["resume"]["optimizer"] is None


def test_a_fill_that_was_paused_begins_again(workplace: Workplace) -> None:
    payload = workplace.payload(model={"backbone": "means"})
    _, whole = train_once(workplace, "whole", model={"backbone": "means"})
    context = workplace.context("parts", payload)
    context.decide = command_after(3, "pause")
    assert run_fake(context, payload)["outcome"] == "paused"
    last = workplace.root / "parts/checkpoints/last.ckpt"
    _, result = train_once(workplace, "parts", model={"backbone": "means"}, resume_from=str(last))
    assert result["best_metric"] == whole["best_metric"]
    means = [load_checkpoint(workplace.root / name)["state_dict"]["model.means"] for name in ("whole", "parts")]
    assert torch.equal(*means)


def test_without_validation_the_training_loss_decides(tmp_path: Path) -> None:
    workplace = Workplace(tmp_path, {"train": 12})
    context, result = train_once(workplace)
    assert list(result["best_metric"]) == ["train_loss"]
    assert any("no validation images" in event.text for event in context.of(LogLine))
    assert all(event.metrics.val_loss is None for event in context.of(EpochFinished))


def test_early_stopping_ends_the_run(workplace: Workplace) -> None:
    settings = {"max_epochs": 50, "early_stopping_patience": 1, "learning_rate": 1e-9}
    context, result = train_once(
        workplace, hyperparameters=settings | {"early_stopping_metric": "val_accuracy"}, hardware=SETTLED
    )
    assert result["stopped_early"]
    assert result["epochs_done"] < 50
    assert any("val_accuracy did not improve" in event.text for event in context.of(LogLine))


def test_a_fork_starts_from_the_weights_of_another_run(workplace: Workplace) -> None:
    train_once(workplace, "parent", hyperparameters={"max_epochs": 12}, hardware=SETTLED)
    weights = str(workplace.root / "parent/checkpoints/best.ckpt")
    settings = {"max_epochs": 1, "learning_rate": 1e-9}
    _, result = train_once(workplace, "child", hyperparameters=settings, initial_weights=weights)
    assert result["best_metric"]["val_accuracy"] > 0.8


def test_a_fork_with_another_architecture_is_refused(workplace: Workplace) -> None:
    train_once(workplace, "parent", hyperparameters={"max_epochs": 1})
    weights = str(workplace.root / "parent/checkpoints/best.ckpt")
    with pytest.raises(JobFailure, match="do not fit this model"):
        train_once(workplace, "child", model={"backbone": "means"}, initial_weights=weights)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"hyperparameters": {"early_stopping_metric": "val_mood"}},
            "It can watch: val_loss, train_loss, val_accuracy",
        ),
        ({"hyperparameters": {"learning_rate": "high"}}, "learning_rate"),
        ({"hyperparameters": {"speed": 1}}, "speed"),
        ({"split_name": "other"}, "Splits: main"),
        ({"train": [AugmentationEntry(name="Mosaic")]}, "No transform 'Mosaic'"),
        ({"model": {"freeze_backbone": True}}, "every part of it is frozen"),
        ({"resume_from": "/nowhere/last.ckpt"}, "does not exist"),
    ],
)
def test_bad_settings_are_refused_with_what_is_allowed(
    workplace: Workplace, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(JobFailure, match=message):
        train_once(workplace, **settings)


def test_an_empty_training_subset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JobFailure, match="no training images"):
        train_once(Workplace(tmp_path, {"val": 3}))


def test_one_image_is_enough_to_train(tmp_path: Path) -> None:
    _, result = train_once(Workplace(tmp_path, {"train": 1, "val": 1}))
    assert math.isfinite(result["final_metrics"]["train_loss"])


def test_the_handler_refuses_an_unknown_task(workplace: Workplace) -> None:
    context = workplace.context("run", workplace.payload(task="no_such_task"))
    with pytest.raises(JobFailure, match="No task 'no_such_task'"):
        run(context)


def test_a_download_of_weights_is_shown_and_can_be_cancelled(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "Throttle", lambda interval_s: Throttle(interval_s, clock=lambda: 0.0))
    context = workplace.context("run", workplace.payload())
    report = _report_downloads(context, RunReporter(context, "run-00000000"))
    report(5, 10)
    report(6, 10)  # too soon after the first
    report(10, 10)
    assert [(event.done, event.total) for event in context.of(JobProgressed)] == [(5, 10), (10, 10)]
    context.decide = lambda _: "cancel"
    with pytest.raises(JobCancelled):
        report(10, 10)
