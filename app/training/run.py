"""Trains one run from its request to its result: the handler of jobs of the kind `train`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from pydantic import ValidationError

from app.datasets.reading import ImageReadError
from app.models.weights import watch_downloads
from app.schemas.events import JobProgressed, RunConfigResolved, StageStatus, TrainRunStarted
from app.schemas.job_context import JobCancelled, JobContext, JobFailure, raise_if_cancelled
from app.schemas.payloads import TrainPayload
from app.throttle import Throttle
from app.training.callbacks.commands import CommandWatcher
from app.training.callbacks.epoch_end import EpochCloser
from app.training.callbacks.resources import ResourceMonitor
from app.training.callbacks.resumption import Resumption
from app.training.callbacks.steps import StepFollower, TimedCheckpoint
from app.training.checkpoint_content import RESUME_KEY, identify_run, seed_everything
from app.training.checkpoint_files import remove_leftovers
from app.training.data_module import TrainingData, resolve_num_workers
from app.training.hardware import Hardware, probe_capabilities, resolve_hardware
from app.training.inputs import TaskParts, TrainingInputs, load_parts, prepare_inputs
from app.training.lightning_module import StepPlan, TrainingModule
from app.training.live_run import LiveRun, TrainingInterrupted
from app.training.model_start import build_start_model, load_resumed_weights, read_resume
from app.training.optimization import plan_warmup_steps
from app.training.reporting import RunReporter, read_local_rank
from app.training.run_record import describe_run
from app.training.state import RunState
from app.training.trainer import KeepSignals, lightning_surroundings, plan_trainer

DOWNLOAD_REPORT_S = 0.5
MIB = 2**20


def run(context: JobContext) -> dict[str, Any]:
    """Train and return the result: best epoch and metric, final metrics, checkpoints, epochs done, images per second.

    `outcome` "paused" in it marks a pause. Raises JobCancelled, or JobFailure for what was foreseen.
    """
    try:
        payload = TrainPayload.model_validate(context.request.payload)
    except ValidationError as error:
        msg = f"The request of this run cannot be read: {error}"
        raise JobFailure(msg) from error
    return train(context, payload, load_parts(payload.task))


def train(
    context: JobContext, payload: TrainPayload, parts: TaskParts, hardware: Hardware | None = None
) -> dict[str, Any]:
    """Train with these parts of a task; `hardware` overrides what the settings select."""
    rank = read_local_rank()
    with RunReporter(context, payload.run_id, is_silent=rank > 0) as reporter, _plain_failures():
        reporter.report(StageStatus(stage_id="TRAIN", status="IN_PROGRESS", message="Training"))
        _report_start(reporter, payload, parts)
        inputs = prepare_inputs(payload, parts)
        hardware = hardware or resolve_hardware(payload.hardware, probe_capabilities())
        if inputs.learns_by == "fill" and hardware.num_processes > 1:
            hardware = hardware.restricted_to_one()
            reporter.log(
                f"{payload.model.backbone} is filled in one pass, which uses the first device only.", "warning"
            )
        live, content = _prepare(context, inputs, hardware, reporter, rank)
        raise_if_cancelled(context)
        with lightning_surroundings(), ResourceMonitor(live, hardware):
            outcome = _fit(live, hardware, None if content is None else content[RESUME_KEY])
        live.report_progress("finalize", live.state.batch, live.data.batches_per_epoch, 0.0, is_forced=True)
        if outcome == "completed":
            reporter.report(StageStatus(stage_id="TRAIN", status="COMPLETED", message="Trained"))
        return _summarise(live, outcome)


def _report_start(reporter: RunReporter, payload: TrainPayload, parts: TaskParts) -> None:
    model_id, metric = payload.model.backbone, parts.spec.info.primary_metric
    config = payload.model_dump(mode="json")
    reporter.report(TrainRunStarted(run_id=payload.run_id, model_id=model_id, metric_primary=metric, config=config))
    reporter.write(f"Run {payload.run_id} of {payload.experiment_id}: {model_id}, split {payload.split_name}")


def _prepare(
    context: JobContext, inputs: TrainingInputs, hardware: Hardware, reporter: RunReporter, rank: int
) -> tuple[LiveRun, dict[str, Any] | None]:
    hyperparameters = inputs.hyperparameters
    remove_leftovers(context.output_dir / "checkpoints")
    num_workers = resolve_num_workers(int(hyperparameters["num_workers"]), inputs.subsets["train"])
    pin_memory = hardware.accelerator == "cuda"
    data = TrainingData(inputs, num_workers, pin_memory, rank, hardware.num_processes)
    identity = identify_run(inputs, data.batches_per_epoch, hardware.num_processes)
    content = _read_content(inputs, identity)
    seed_everything(int(hyperparameters["seed"]))
    with watch_downloads(_report_downloads(context, reporter)):
        model = build_start_model(inputs)
    state = RunState() if content is None else RunState.from_json(content[RESUME_KEY]["state"])
    plan = StepPlan(hyperparameters, data.batches_per_epoch, inputs.learns_by)
    module = TrainingModule(model, plan, state)
    if content is not None:
        load_resumed_weights(module, content)
    live = LiveRun(context, inputs, reporter, module, data, identity)
    resolved = describe_run(inputs, hardware, module, num_workers)
    reporter.report(RunConfigResolved(run_id=reporter.run_id, resolved=resolved))
    _log_start(live, hardware, num_workers)
    live.report_progress("init", 0, data.batches_per_epoch, None, is_forced=True)
    return live, content


def _report_downloads(context: JobContext, reporter: RunReporter) -> Callable[[int, int], None]:
    """Return what a download of weights calls: it shows how far it is and obeys a cancel."""
    throttle = Throttle(DOWNLOAD_REPORT_S)

    def report(received_bytes: int, total_bytes: int) -> None:
        raise_if_cancelled(context)
        if throttle.is_due() or received_bytes == total_bytes:
            job_id = context.request.job_id
            message = f"Downloading weights, {received_bytes / MIB:.0f} of {total_bytes / MIB:.0f} MiB"
            reporter.report(JobProgressed(job_id=job_id, done=received_bytes, total=total_bytes, message=message))

    return report


def _read_content(inputs: TrainingInputs, identity: dict[str, Any]) -> dict[str, Any] | None:
    path = inputs.payload.resume_from
    if path is None:
        return None
    content = read_resume(Path(path), identity)
    is_half_filled = inputs.learns_by == "fill" and RunState.from_json(content[RESUME_KEY]["state"]).epochs_done == 0
    # Filling is one pass without random numbers, so it begins again and comes to the same.
    return None if is_half_filled else content


def _log_start(live: LiveRun, hardware: Hardware, num_workers: int) -> None:
    inputs, log = live.inputs, live.reporter.log
    counts = ", ".join(f"{len(rows)} {subset}" for subset, rows in inputs.subsets.items())
    log(
        f"Training on {', '.join(hardware.names)} with precision {hardware.precision} and {num_workers} reading "
        f"processes; images: {counts}."
    )
    if not inputs.subsets["val"]:
        log(
            "The split has no validation images, so the best checkpoint is the one with the least train_loss.",
            "warning",
        )
    if inputs.learns_by == "gradient":
        plan = live.module.plan
        wanted = int(inputs.hyperparameters["warmup_epochs"]) * plan.steps_per_epoch
        used = plan_warmup_steps(inputs.hyperparameters, plan.steps_per_epoch)
        if used < wanted:
            log(f"Warm-up takes {used} steps, half of the run, instead of {wanted}.")
    if inputs.payload.resume_from is not None:
        log(f"Resumed in epoch {live.state.epoch} after {live.state.batch} of {live.data.batches_per_epoch} batches.")


def _fit(live: LiveRun, hardware: Hardware, saved: dict[str, Any] | None) -> str:
    """Run the loop; return "completed" or "paused"."""
    state, inputs = live.state, live.inputs
    remaining = 0 if state.is_stopped_early else inputs.max_epochs - state.epochs_done - int(state.is_epoch_trained)
    live.data.sampler.set_position(
        state.epoch + int(state.is_epoch_trained), 0 if state.is_epoch_trained else state.batch
    )
    commands = CommandWatcher(live)
    closer = EpochCloser(live, commands)
    commands.close_epoch = closer.close
    callbacks = [KeepSignals(), Resumption(live, saved), StepFollower(live), commands, TimedCheckpoint(live), closer]
    arguments = plan_trainer(hardware, inputs.hyperparameters, live.context.output_dir, max(0, remaining))
    trainer = Trainer(**arguments, callbacks=callbacks)
    try:
        with closing(live.data):
            trainer.fit(live.module, datamodule=live.data)
    except TrainingInterrupted as interruption:
        live.reporter.log(f"Obeyed {interruption.command} in epoch {state.epoch}, after {state.batch} batches.")
        if interruption.command == "cancel":
            raise JobCancelled from None
        return "paused" if interruption.command == "pause" else "completed"
    return "completed"


def _summarise(live: LiveRun, outcome: str) -> dict[str, Any]:
    state = live.state
    images = state.images_total * live.data.world_size
    result: dict[str, Any] = {
        "best_epoch": state.best_epoch,
        "best_metric": state.best_metric,
        "final_metrics": state.final_metrics,
        "checkpoints": live.describe_checkpoints(),
        "epochs_done": state.epochs_done,
        "stopped_early": state.is_stopped_early,
        "images_per_s": round(images / state.fit_duration_s, 2) if state.fit_duration_s else None,
    }
    best = ", ".join(f"{name} {value:.4g}" for name, value in state.best_metric.items()) or "not measured"
    live.reporter.write(f"Ended as {outcome} after {state.epochs_done} epochs; best epoch {state.best_epoch}: {best}")
    return result | ({"outcome": "paused"} if outcome == "paused" else {})


@contextmanager
def _plain_failures() -> Iterator[None]:
    """Turn what a user can cause and mend into a JobFailure with a plain reason."""
    try:
        yield
    except ImageReadError as error:
        # From a reading process the message comes with that process's traceback around it.
        message = re.split(r"ImageReadError: ", str(error))[-1].strip()
        raise JobFailure(message, "ImageReadError") from error
    except torch.OutOfMemoryError as error:
        msg = "The GPU ran out of memory. Use a smaller batch with a larger batch_multiplier, or a smaller image size."
        raise JobFailure(msg, "OutOfMemory") from error
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        msg = "A process that reads images ended unexpectedly, most likely for want of memory. Use fewer workers or 0."
        raise JobFailure(msg, "WorkerLost") from error
