"""Runs: starts, stops, pauses and resumes them. `observer.py` records what they report."""

from __future__ import annotations

from typing import Any

from app.core.announcing import announce
from app.core.collaborators import Collaborators
from app.core.devices import require_devices
from app.core.exceptions import (
    CheckpointNotFoundError,
    ConflictError,
    TrainingInProgressError,
)
from app.core.forecast.forecasting import Forecaster
from app.core.payloads import TrainPayloads
from app.core.runs.checks import RunChecker
from app.core.runs.logs import RunLogService
from app.core.runs.resuming import find_resume_obstacle, settings_of_run
from app.schemas.common import new_id, seconds_between, utc_now
from app.schemas.events import ExperimentStatusChanged, RunAsked, StageStatus
from app.schemas.experiments import (
    ACTIVE_EXPERIMENT_STATUSES,
    EpochMetrics,
    ExperimentRecord,
    RunRecord,
    RunStarted,
)
from app.schemas.jobs import JobCommand
from app.schemas.payloads import TrainPayload

STARTABLE_STATUSES = frozenset({"created", "failed", "cancelled", "interrupted"})
RESUMABLE_STATUSES = frozenset({"paused", "interrupted", "failed", "cancelled"})


class TrainingService:
    """What can be done with runs."""

    def __init__(self, shared: Collaborators, checker: RunChecker) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._bus = shared.bus
        self._scheduler = shared.scheduler
        self._gate = shared.gate
        self._live = shared.live
        self._payloads = TrainPayloads(shared.stores, shared.settings)
        self._forecaster = Forecaster(shared.stores)
        self._checker = checker
        self._logs = RunLogService(shared)

    def start_training(self, project_id: str, experiment_id: str) -> RunStarted:
        """Queue a new run; raises TrainingInProgressError, SplitNotFoundError, GpuNotAvailableError, ConflictError."""
        self._stores.experiments.catch_up()
        with self._gate.enter(project_id):
            record = self._lookup.find_experiment(project_id, experiment_id)
            self._refuse_unstartable(project_id, record)
            self._payloads.check_data(project_id, record)
            self._checker.require_trainable(project_id, record)
            require_devices(list(record.hardware.selected_devices))
            run = RunRecord(id=new_id("run"), experiment_id=experiment_id, job_id=new_id("job"), created_at=utc_now())
            payload = self._payloads.build(project_id, record, run.id)
            view = self._forecaster.forecast(project_id, record, payload)
            if view.forecast is not None and view.status != "needs_probe":
                forecast_s = view.forecast.duration_s
                run = run.model_copy(update={"forecast_s": forecast_s, "forecast_status": view.status})
            self._stores.experiments.create_run(project_id, run)
            started = self._launch(project_id, record, run, payload)
            self._stores.evaluations.reset_after(project_id, experiment_id)
        warnings = self._checker.list_warnings(project_id, record)
        return started.model_copy(update={"warnings": warnings})

    def resume_training(self, project_id: str, experiment_id: str) -> RunStarted:
        """Queue the continuation of the current run; raises CheckpointNotFoundError, ConflictError."""
        self._stores.experiments.catch_up()
        with self._gate.enter(project_id):
            record = self._lookup.find_experiment(project_id, experiment_id)
            if record.status in ACTIVE_EXPERIMENT_STATUSES:
                msg = "This experiment is already being trained."
                raise TrainingInProgressError(msg)
            if record.status not in RESUMABLE_STATUSES:
                raise _refuse_continuing(project_id, record, "resumed")
            run = self._lookup.find_current_run(project_id, record)
            checkpoint = self._stores.experiments.checkpoint_path(project_id, record, "last")
            if checkpoint is None:
                msg = (
                    "The run stopped before its first checkpoint, so it cannot be resumed. Restart it."
                    if run.started_at
                    else "The run was never started, so it cannot be resumed. Train the experiment."
                )
                raise CheckpointNotFoundError(msg)
            config = self._stores.experiments.read_run_config(project_id, experiment_id, run.id)
            if obstacle := find_resume_obstacle(self._lookup, project_id, record, config):
                raise ConflictError(obstacle)
            self._payloads.check_data(project_id, record)
            require_devices(list(record.hardware.selected_devices))
            payload = self._payloads.build(project_id, record, run.id, checkpoint)
            changes = {"job_id": new_id("job"), "resumed_count": run.resumed_count + 1, **_close_part(run)}
            run = self._stores.experiments.update_run(project_id, experiment_id, run.id, changes)
            return self._launch(project_id, record, run, payload)

    def stop_training(self, project_id: str, experiment_id: str, keep: bool) -> RunStarted:
        """Cancel the run, or with `keep` end it as completed on the best checkpoint; raises ConflictError.

        `keep` also completes a run that was paused or ended early, on the best checkpoint that it left.
        """
        if keep and self._lookup.find_experiment(project_id, experiment_id).status in RESUMABLE_STATUSES:
            return self._keep_ended(project_id, experiment_id)
        record, run = self._active(project_id, experiment_id)
        job = self._scheduler.get(run.job_id or "")
        if keep and job.status == "running":
            if self._stores.experiments.checkpoint_path(project_id, record, "best") is None:
                msg = "There is no best checkpoint to keep yet. Wait for the end of the first epoch, or cancel the run."
                raise CheckpointNotFoundError(msg)
            self._scheduler.send(job.id, "stop_keep")
            self._note_asked(project_id, run, "stop_keep")
        else:
            if job.status == "running":  # before it ends: what is asked comes before what came of it
                self._note_asked(project_id, run, "cancel")
            self._scheduler.cancel(job.id)
        return self._answer(project_id, experiment_id)

    def pause_training(self, project_id: str, experiment_id: str) -> RunStarted:
        """Ask the run to save its state and free the device; raises ConflictError when it is not running."""
        _, run = self._active(project_id, experiment_id)
        job = self._scheduler.get(run.job_id or "")
        if job.status != "running":
            msg = "The run is still queued. Cancel it, or wait until it has started."
            raise ConflictError(msg)
        self._scheduler.send(job.id, "pause")
        self._note_asked(project_id, run, "pause")
        return self._answer(project_id, experiment_id)

    def restart_experiment(self, project_id: str, experiment_id: str) -> ExperimentRecord:
        """Return the experiment to `created`; its earlier runs stay listed. Raises TrainingInProgressError."""
        with self._gate.enter(project_id):
            record = self._lookup.find_experiment(project_id, experiment_id)
            if record.status in ACTIVE_EXPERIMENT_STATUSES:
                msg = "A run of this experiment is pending or running. Stop it first."
                raise TrainingInProgressError(msg)
            changes: dict[str, Any] = {
                "status": "created",
                "started_at": None,
                "completed_at": None,
                "current_run_id": None,
                "best_epoch": None,
                "best_metric": {},
                "final_metrics": {},
                "error": None,
                "checkpoints": {},
            }
            experiments = self._stores.experiments
            updated = self._stores.documents.reserve.spend(
                lambda: experiments.update(
                    project_id, experiment_id, lambda current: current.model_copy(update=changes)
                )
            )
            self._stores.evaluations.reset_after(project_id, experiment_id)
        self._publish_status(project_id, updated)
        return updated

    def _note_asked(self, project_id: str, run: RunRecord, command: JobCommand) -> None:
        self._live.ask(run.job_id or "", command)
        announce(self._bus, project_id, RunAsked(run_id=run.id, command=command), run_id=run.id, job_id=run.job_id)

    def _keep_ended(self, project_id: str, experiment_id: str) -> RunStarted:
        experiments = self._stores.experiments
        with self._gate.enter(project_id):
            record = self._lookup.find_experiment(project_id, experiment_id)
            if record.status not in RESUMABLE_STATUSES:
                msg = f"The experiment is now {record.status}."
                raise ConflictError(msg)
            run = self._lookup.find_current_run(project_id, record)
            if experiments.checkpoint_path(project_id, record, "best") is None:
                raise CheckpointNotFoundError(say_nothing_to_keep(record))
            epochs = experiments.read_metrics(project_id, experiment_id, run.id).epochs
            final = _final_metrics(epochs[-1]) if epochs else {}
            changes: dict[str, Any] = {"status": "completed", "error": None}
            # The run ended when it stopped: nothing is computed between that and the decision to keep it.
            changes |= {"completed_at": run.completed_at or utc_now(), "final_metrics": record.final_metrics or final}
            settings = settings_of_run(record, experiments.read_run_config(project_id, experiment_id, run.id))
            best = {"best_epoch": record.best_epoch, "best_metric": record.best_metric}

            def keep() -> ExperimentRecord:
                experiments.update_run(project_id, experiment_id, run.id, {**changes, **best})
                return experiments.update(
                    project_id, experiment_id, lambda current: current.model_copy(update=settings | changes)
                )

            updated = self._stores.documents.reserve.spend(keep)
        epoch = "" if record.best_epoch is None else f" of epoch {record.best_epoch}"
        self._logs.append_line(
            project_id, experiment_id, run.id, f"Kept the best checkpoint{epoch} as the result. The run is completed."
        )
        stage = StageStatus(stage_id="TRAIN", status="COMPLETED", message="Kept the best checkpoint")
        announce(self._bus, project_id, stage, run_id=run.id)
        self._publish_status(project_id, updated)
        return self._answer(project_id, experiment_id)

    def _refuse_unstartable(self, project_id: str, record: ExperimentRecord) -> None:
        if record.status in ACTIVE_EXPERIMENT_STATUSES:
            msg = "This experiment is already being trained."
            raise TrainingInProgressError(msg)
        if say_unstartable(record):
            raise _refuse_continuing(project_id, record, "trained again")

    def _launch(self, project_id: str, record: ExperimentRecord, run: RunRecord, payload: TrainPayload) -> RunStarted:
        experiments, paths = self._stores.experiments, self._stores.paths
        run = experiments.update_run(
            project_id, record.id, run.id, {"status": "pending", "completed_at": None, "error": None}
        )
        changes: dict[str, Any] = {
            "status": "pending",
            "current_run_id": run.id,
            "error": None,
            "completed_at": None,
        }
        if payload.resume_from is None:
            changes |= {"best_epoch": None, "best_metric": {}, "final_metrics": {}, "checkpoints": {}}
            changes["started_at"] = None
        try:
            updated = experiments.update(project_id, record.id, lambda current: current.model_copy(update=changes))
            self._scheduler.submit(
                "train",
                project_id,
                payload,
                paths.run_dir(project_id, record.id, run.id),
                subject={"experiment_id": record.id, "run_id": run.id},
                devices=list(record.hardware.selected_devices),
                job_id=run.job_id,
            )
        except OSError:
            experiments.undo_launch(project_id, record, run)
            raise
        self._publish_status(project_id, updated)
        return RunStarted(experiment_id=record.id, run_id=run.id, status="pending", job_id=run.job_id)

    def _active(self, project_id: str, experiment_id: str) -> tuple[ExperimentRecord, RunRecord]:
        record = self._lookup.find_experiment(project_id, experiment_id)
        if record.status not in ACTIVE_EXPERIMENT_STATUSES:
            msg = f"No run of this experiment is pending or running; it is {record.status}."
            raise ConflictError(msg)
        return record, self._lookup.find_current_run(project_id, record)

    def _answer(self, project_id: str, experiment_id: str) -> RunStarted:
        record = self._lookup.find_experiment(project_id, experiment_id)
        run = self._lookup.find_current_run(project_id, record)
        return RunStarted(experiment_id=experiment_id, run_id=run.id, status=record.status, job_id=run.job_id)

    def _publish_status(self, project_id: str, record: ExperimentRecord) -> None:
        announce(
            self._bus,
            project_id,
            ExperimentStatusChanged(experiment_id=record.id, status=record.status),
            run_id=record.current_run_id,
        )


def _close_part(run: RunRecord) -> dict[str, Any]:
    """Return the changes that keep when a run was first started and how long it ran before it is resumed."""
    took_s = seconds_between(run.started_at, run.completed_at)
    return {
        "first_started_at": run.first_started_at or run.started_at,
        "started_at": None,
        "earlier_s": round(run.earlier_s + took_s, 3),
    }


def say_nothing_to_keep(record: ExperimentRecord) -> str:
    """Return why a run that ended without a best checkpoint cannot be completed on it."""
    if record.started_at is None:
        return "The run was never started, so there is no checkpoint to keep."
    if record.best_epoch is None:
        return "No epoch was finished, so there is no best checkpoint to keep."
    return "The best checkpoint of this run no longer exists, so it cannot be kept."


def say_untrainable(record: ExperimentRecord) -> str:
    """Return why the status of an experiment does not allow training it, with what to do; empty when it does."""
    if record.status in ACTIVE_EXPERIMENT_STATUSES:
        return "A run is already queued or running."
    return say_unstartable(record)


def say_unstartable(record: ExperimentRecord) -> str:
    """Return why an experiment that no run works on cannot be trained, with what to do instead; empty when it can."""
    if record.status in STARTABLE_STATUSES:
        return ""
    if record.status == "paused":
        return "This experiment is paused. To continue, resume it. To train from scratch, restart it."
    return (
        f"This experiment is {record.status}. To train more, train more epochs as a new experiment, restart it or "
        f"duplicate it."
    )


def _refuse_continuing(project_id: str, record: ExperimentRecord, verb: str) -> ConflictError:
    """Return the refusal; `details` names the request that trains a completed experiment for more epochs."""
    if record.status != "completed":
        return ConflictError(say_unstartable(record) or f"An experiment that is {record.status} cannot be {verb}.")
    path = f"/api/training/{project_id}/experiments/{record.id}/more"
    body = {"epochs": int(record.hyperparameters["max_epochs"])}
    msg = (
        f"An experiment that is completed cannot be {verb}. To train it for more epochs, create a fork that starts "
        f"from its last checkpoint (POST {path}, or `ai-studio train more`). To train from scratch, restart or "
        f"duplicate it."
    )
    return ConflictError(msg, {"more_epochs": {"method": "POST", "path": path, "body": body}})


def _final_metrics(epoch: EpochMetrics) -> dict[str, float]:
    values = epoch.model_dump(exclude={"epoch", "lr", "duration_s"})
    return {name: value for name, value in values.items() if value is not None}
