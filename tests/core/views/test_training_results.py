"""Everything about a run in one reading: figures while it goes on, what is allowed, the queue, what was asked."""

from __future__ import annotations

import msgspec
import pytest

from app.api.pages.training.results import results_view
from app.core.exceptions import CheckpointNotFoundError, ConflictError
from app.core.lookup import Lookup
from app.core.runs.live_figures import LiveFigures
from app.core.studio import Studio
from app.core.views.shown_metrics import find_best, find_best_epoch
from app.core.views.training_results import find_reasons
from app.datasets.table import DatasetTable, SplitRecord
from app.schemas.events import EpochFinished, JobProgressed, ResourceStats, RunRecovered, TrainProgress
from app.schemas.experiments import (
    CheckpointInfo,
    CheckpointName,
    EpochMetrics,
    ExperimentRecord,
    ExperimentStatus,
)
from app.schemas.training_results import RunFigures
from tests.core.conftest import WAIT_S, create_experiment, train_to_end
from tests.core.runs.test_training import wait_for_epochs


def make_epoch(number: int, **values: float) -> EpochMetrics:
    return EpochMetrics.model_validate({"epoch": number, "train_loss": 1.0, "lr": 0.1, "duration_s": 1.0, **values})


def test_figures_are_the_newest_and_go_with_the_job() -> None:
    live = LiveFigures()
    live.note("job-1", TrainProgress(run_id="r", epoch=1, epochs=2, step=1, steps=2, eta_s=None, phase="fit"))
    newest = TrainProgress(run_id="r", epoch=1, epochs=2, step=2, steps=2, eta_s=1.0, phase="fit")
    live.note("job-1", newest)
    stats = ResourceStats(run_id="r", cpu_pct=1, ram_mb=1, gpu_pct=None, vram_mb=None, step_per_sec=1)
    live.note("job-1", stats)
    beside = JobProgressed(job_id="job-1", done=1, total=3, message="Measuring")
    live.note("job-1", beside)
    live.ask("job-1", "pause")
    assert live.get("job-1") == RunFigures(progress=newest, resources=stats, beside=beside, asked="pause")
    live.note("job-1", JobProgressed(job_id="job-1", done=3, total=3, message="Measured"))
    assert live.get("job-1").beside is None
    live.note("job-1", beside)
    live.note("job-1", EpochFinished(run_id="r", metrics=make_epoch(1)))
    assert live.get("job-1").beside is None
    live.forget("job-1")
    assert live.get("job-1") == live.get(None) == RunFigures()


def test_best_epoch_is_the_first_of_the_best() -> None:
    epochs = [make_epoch(1, val_f1=0.5, val_loss=3.0), make_epoch(2, val_f1=0.7, val_loss=1.0)]
    epochs += [make_epoch(3, val_f1=0.7, val_loss=1.0)]
    assert find_best_epoch(epochs, "val_f1", "max") == 2
    assert find_best_epoch(epochs, "val_loss", "min") == 2
    assert find_best_epoch(epochs, "val_other", "min") is None
    assert find_best_epoch([], "val_f1", "max") is None


def test_best_epoch_of_a_run_in_progress_comes_with_its_own_value(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    saved = {"best_epoch": 1, "best_metric": {"val_accuracy": 0.678}}
    epochs = [make_epoch(1, val_accuracy=0.678), make_epoch(2, val_accuracy=0.9), make_epoch(3, val_accuracy=0.974)]
    active = record.model_copy(update={"status": "training", **saved})
    assert find_best(active, epochs, "val_accuracy", "max") == (3, {"val_accuracy": 0.974})
    assert find_best(active, epochs[:1], "val_accuracy", "max") == (1, {"val_accuracy": 0.678})
    assert find_best(active, [], "val_accuracy", "max") == (None, {})
    ended = record.model_copy(update={"status": "paused", **saved})
    assert find_best(ended, epochs, "val_accuracy", "max") == (1, {"val_accuracy": 0.678})


def test_page_of_a_run_shows_the_value_of_the_epoch_that_it_names(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id, seed=14)
    run = studio.training.start_training(imported_id, record.id)
    wait_for_epochs(studio, imported_id, record.id, 1)
    results = studio.training_results.get_results(imported_id, record.id)
    [best] = [epoch for epoch in results.epochs if epoch.epoch == results.best_epoch]
    name = results.monitored_metric
    assert results.best_metric == {name: best.model_dump()[name]}
    late = results.model_copy(
        update={"experiment": results.experiment.model_copy(update={"best_metric": {name: -1.0}})}
    )
    assert results_view(late).best_metrics == results_view(results).best_metrics
    [cancel] = [action for action in results_view(results).actions if action.id == "cancel"]
    assert (cancel.attrs["data-confirm-cancel"], cancel.attrs["data-confirm-action"]) == ("Keep training", "Cancel run")
    studio.training.stop_training(imported_id, record.id, keep=False)
    studio.scheduler.wait(run.job_id or "", WAIT_S)


@pytest.mark.parametrize(
    ("status", "allowed"),
    [
        ("created", {"fork"}),
        ("pending", {"cancel", "fork"}),
        ("training", {"pause", "stop_keep", "cancel", "fork"}),
        ("paused", {"resume", "keep", "restart", "fork"}),
        ("completed", {"restart", "fork", "evaluate", "export"}),
        ("failed", {"resume", "keep", "restart", "fork"}),
        ("cancelled", {"resume", "keep", "restart", "fork"}),
        ("interrupted", {"resume", "keep", "restart", "fork"}),
    ],
)
def test_actions_of_each_state(studio: Studio, imported_id: str, status: ExperimentStatus, allowed: set[str]) -> None:
    record = create_experiment(studio, imported_id).model_copy(update={"status": status})
    info = CheckpointInfo(path="x", size_mb=1.0, epoch=1)
    actions = {"pause", "stop_keep", "cancel", "resume", "keep", "restart", "fork", "evaluate", "export"}
    reasons = find_reasons(record, {"best": info, "last": info}, RunFigures())
    assert actions - set(reasons) == allowed
    without = find_reasons(record, {}, RunFigures())
    assert actions - set(without) == allowed - {"stop_keep", "resume", "keep", "fork", "evaluate", "export"}
    assert all(reason.endswith(".") for reason in [*reasons.values(), *without.values()])


def test_a_run_that_never_started_is_not_said_to_have_stopped(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id).model_copy(update={"status": "cancelled"})
    reasons = find_reasons(record, {}, RunFigures())
    assert reasons["resume"] == "The run was never started, so it cannot be resumed."
    assert reasons["keep"] == "The run was never started, so there is no checkpoint to keep."
    stopped = find_reasons(record.model_copy(update={"started_at": record.created_at}), {}, RunFigures())
    assert stopped["resume"] == "The run stopped before its first checkpoint, so it cannot be resumed."


def stop_in_first_epoch(studio: Studio, project_id: str) -> ExperimentRecord:
    """Return an experiment that was cancelled between its first batch and the end of its first epoch."""
    record = train_to_end(studio, project_id, create_experiment(studio, project_id, "stopped early", seed=13))
    run_id = record.current_run_id or ""
    folder = studio._paths.run_dir(project_id, record.id, run_id) / "checkpoints"
    (folder / "last.ckpt").write_text('{"epoch": 0}')
    info = CheckpointInfo(path=f"runs/{run_id}/checkpoints/last.ckpt", size_mb=0.1, epoch=0)
    changes = {"status": "cancelled", "error": None, "checkpoints": {"last": info}}
    return studio._stores.experiments.update(project_id, record.id, lambda current: current.model_copy(update=changes))


def test_run_cancelled_in_its_first_epoch_can_be_resumed_and_forked_but_not_kept(
    studio: Studio, imported_id: str
) -> None:
    record = stop_in_first_epoch(studio, imported_id)
    nothing_to_keep = "No epoch was finished, so there is no best checkpoint to keep."
    view = results_view(studio.training_results.get_results(imported_id, record.id))
    reasons = {action.id: action.reason for action in view.actions}
    assert reasons == {"resume": "", "keep": nothing_to_keep, "fork": "", "restart": ""}
    assert view.checkpoints == (("last", "saved in epoch 1", "0.1 MiB"),)
    assert view.fork is not None
    assert [option.title for option in view.fork.checkpoints] == ["Last, saved in epoch 1"]
    with pytest.raises(CheckpointNotFoundError, match=nothing_to_keep):
        studio.training.stop_training(imported_id, record.id, keep=True)
    with pytest.raises(CheckpointNotFoundError, match="has no best checkpoint, because no epoch was finished"):
        Lookup(studio._stores).find_checkpoint(imported_id, record, "best")
    reasons_of_models = {model.id: model.reason for model in studio.predictions.list_models(imported_id)}
    assert reasons_of_models[record.id] == "no epoch finished"


@pytest.mark.parametrize(("names", "button"), [((), "Train"), (("best", "last"), "Resume")])
def test_a_queued_run_names_the_button_that_queues_it_again(
    studio: Studio, imported_id: str, trained: ExperimentRecord, names: tuple[CheckpointName, ...], button: str
) -> None:
    results = studio.training_results.get_results(imported_id, trained.id)
    info = CheckpointInfo(path="x", size_mb=1.0, epoch=1)
    changes = {
        "experiment": results.experiment.model_copy(update={"status": "pending"}),
        "checkpoints": dict.fromkeys(names, info),
    }
    [cancel] = results_view(results.model_copy(update=changes)).actions
    assert cancel.help == f"The run will not start. You can queue it again with {button}."
    assert cancel.attrs["hx-confirm"] == f"The run is removed from the queue. Choose {button} to queue it again."


def test_a_best_checkpoint_that_is_gone_is_not_said_to_lack_an_epoch(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    record = record.model_copy(update={"status": "cancelled", "started_at": record.created_at, "best_epoch": 3})
    assert "no longer exists" in find_reasons(record, {}, RunFigures())["keep"]


@pytest.mark.parametrize(
    ("names", "resuming"),
    [
        ((), "You can resume only if at least one batch was trained."),
        (("last",), "You can resume from the last saved checkpoint."),
    ],
)
def test_cancelling_in_the_first_epoch_promises_no_best_checkpoint(
    studio: Studio, imported_id: str, trained: ExperimentRecord, names: tuple[CheckpointName, ...], resuming: str
) -> None:
    results = studio.training_results.get_results(imported_id, trained.id)
    running = results.experiment.model_copy(update={"status": "training"})
    info = CheckpointInfo(path="x", size_mb=1.0, epoch=0)
    early = results.model_copy(update={"experiment": running, "checkpoints": dict.fromkeys(names, info)})
    [cancel] = [action for action in results_view(early).actions if action.id == "cancel"]
    nothing = f"No epoch is finished yet, so there is no best checkpoint to keep. {resuming}"
    assert cancel.help == f"Stops now. {nothing}"
    assert str(cancel.attrs["hx-confirm"]).endswith(nothing)
    later = early.model_copy(update={"checkpoints": {"best": info, "last": info}})
    [after] = [action for action in results_view(later).actions if action.id == "cancel"]
    assert (cancel.later_help, cancel.later_confirm) == (after.help, after.attrs["hx-confirm"])
    assert after.later_help == ""


def test_what_was_asked_is_seen_by_all_and_not_asked_again(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id, seed=14)
    started = studio.training.start_training(imported_id, record.id)
    wait_for_epochs(studio, imported_id, record.id, 1)
    studio.training.stop_training(imported_id, record.id, keep=False)
    lines = [line for line in studio.bus.read(imported_id, 0, 1000) if line.type == "RUN_ASKED"]
    assert [line.payload for line in lines] == [{"run_id": started.run_id, "command": "cancel"}]
    studio.scheduler.wait(started.job_id or "", WAIT_S)
    assert studio.training_results.get_results(imported_id, record.id).figures == RunFigures()


def test_waiting_run_knows_its_place_and_what_it_waits_for(studio: Studio, imported_id: str) -> None:
    first, second, third = (create_experiment(studio, imported_id, name, seed=14) for name in ("a", "b", "c"))
    running, *waiting = (studio.training.start_training(imported_id, each.id) for each in (first, second, third))
    wait_for_epochs(studio, imported_id, first.id, 1)
    queue = studio.training_results.get_results(imported_id, third.id).queue
    assert [entry.experiment_name for entry in queue.entries] == ["b", "c"]
    assert queue.num_before == 1
    assert [(blocker.kind, blocker.experiment_name) for blocker in queue.blockers] == [("train", "a")]
    studio.run_queue.move_in_queue(imported_id, waiting[1].run_id, 0)
    moved = [line for line in studio.bus.read(imported_id, 0, 1000) if line.type == "QUEUE_CHANGED"]
    assert [line.payload["run_ids"] for line in moved] == [[waiting[1].run_id, waiting[0].run_id]]
    assert studio.training_results.get_results(imported_id, third.id).queue.num_before == 0
    results = studio.training_results.get_results(imported_id, first.id)
    assert results.best_epoch == results.epochs[-1].epoch
    assert results.queue.blockers == []
    for run, record in zip([*waiting, running], (second, third, first), strict=True):
        studio.training.stop_training(imported_id, record.id, keep=False)
        studio.scheduler.wait(run.job_id or "", WAIT_S)


def test_paused_run_is_kept_as_completed(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id, seed=16)
    record = train_to_end(studio, imported_id, record)
    assert record.status == "paused"
    studio.training.stop_training(imported_id, record.id, keep=True)
    kept = studio.experiments.get_experiment(imported_id, record.id)
    assert (kept.status, kept.error, kept.final_metrics) == ("completed", None, record.final_metrics)
    [run] = studio.experiments.list_runs(imported_id, record.id).runs
    assert (run.status, run.best_epoch) == ("completed", kept.best_epoch)
    assert studio.bus.read(imported_id, 0, 1000)[-1].payload == {"experiment_id": record.id, "status": "completed"}
    with pytest.raises(ConflictError):
        studio.training.stop_training(imported_id, record.id, keep=True)


def test_failed_run_without_a_checkpoint_cannot_be_kept(studio: Studio, imported_id: str) -> None:
    record = train_to_end(studio, imported_id, create_experiment(studio, imported_id, seed=13))
    with pytest.raises(CheckpointNotFoundError):
        studio.training.stop_training(imported_id, record.id, keep=True)


def test_recovery_and_images_are_recorded_once(studio: Studio, imported_id: str) -> None:
    record = train_to_end(studio, imported_id, create_experiment(studio, imported_id, seed=16))
    [run] = studio.experiments.list_runs(imported_id, record.id).runs
    assert run.skipped == [{"filename": "a.png", "message": "Bad."}]
    event = RunRecovered(
        run_id=run.id, reason="out_of_memory", message="Full.", epoch=1, batch=2, learning_rate=0.1, micro_batch_size=4
    )
    job = studio.scheduler.get(run.job_id or "")
    for _ in range(2):
        assert studio.run_observer.on_event(job, event)
    [run] = studio.experiments.list_runs(imported_id, record.id).runs
    assert [(recovery.message, recovery.micro_batch_size) for recovery in run.recoveries] == [("Full.", 4)]


def test_validation_images_that_training_sees_are_counted(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    assert studio.training_results.get_results(imported_id, record.id).num_val_copies == 0

    def copy_content(table: DatasetTable) -> DatasetTable:
        trained = next(image for image in table.images if image.split == ["train"])
        images = [
            msgspec.structs.replace(image, content_hash=trained.content_hash) if image.split == ["val"] else image
            for image in table.images
        ]
        return msgspec.structs.replace(table, images=images, splits=[SplitRecord("main", seed=42)])

    studio.splits._stores.datasets.change_table(imported_id, copy_content)
    assert studio.training_results.get_results(imported_id, record.id).num_val_copies == 4
