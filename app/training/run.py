"""Trains one run from its request to its result: the handler of jobs of the kind `train`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.datasets.reading import ImageReadError
from app.metric_text import show_metric
from app.plurals import count
from app.schemas.events import StageStatus, TrainRunStarted
from app.schemas.job_context import JobContext, JobFailure
from app.schemas.payloads import TrainPayload
from app.training.arithmetic.hardware import Hardware, probe_capabilities, resolve_hardware
from app.training.fitting import Fitted, fit_with_recovery
from app.training.inputs import TaskParts, load_parts, prepare_inputs, read_payload
from app.training.recovery import RunBroken, as_broken
from app.training.reporting import RunReporter, read_local_rank
from app.training.run_measurement import measure_run
from app.training.start import RunStart
from app.training.state import MAX_REASONS
from app.training.trainer import lightning_surroundings


def run(context: JobContext) -> dict[str, Any]:
    """Train and return the result: best epoch and metric, final metrics, checkpoints, epochs done, images per second.

    `outcome` "paused" in it marks a pause, `error` why when nobody asked for it. Raises JobCancelled, or JobFailure for
    what was foreseen.
    """
    payload = read_payload(context)
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
        with lightning_surroundings(inputs.hyperparameters.deterministic):
            fitted = fit_with_recovery(RunStart(context, inputs, hardware, reporter, rank))
        live = fitted.live
        live.report_progress("finalize", live.state.batch, live.data.batches_per_epoch, 0.0, is_forced=True)
        if fitted.outcome == "completed":
            reporter.report(StageStatus(stage_id="TRAIN", status="COMPLETED", message="Trained"))
        return _summarise(fitted, hardware)


def _report_start(reporter: RunReporter, payload: TrainPayload, parts: TaskParts) -> None:
    model_id, metric = payload.model.backbone, parts.spec.info.primary_metric
    config = payload.model_dump(mode="json")
    reporter.report(TrainRunStarted(run_id=payload.run_id, model_id=model_id, metric_primary=metric, config=config))
    reporter.write(f"Run {payload.run_id} of {payload.experiment_id}: {model_id}, split {payload.split_name}")


def _summarise(fitted: Fitted, hardware: Hardware) -> dict[str, Any]:
    live, outcome = fitted.live, fitted.outcome
    state = live.state
    images = state.images_total * live.data.world_size
    measurement = measure_run(live, hardware)
    result: dict[str, Any] = {
        "best_epoch": state.best_epoch,
        "best_metric": state.best_metric,
        "final_metrics": state.final_metrics,
        "checkpoints": live.savings.describe(state.best_epoch, state.epochs_done),
        "epochs_done": state.epochs_done,
        "stopped_early": state.is_stopped_early,
        "images_per_s": round(images / state.fit_duration_s, 2) if state.fit_duration_s else None,
        "skipped": {"count": len(state.skipped), "images": live.name_skipped(MAX_REASONS)},
        "reading": live.data.describe_reading(),
        "measurement": None if measurement is None else measurement.model_dump(mode="json"),
    }
    best = ", ".join(f"{name} {show_metric(value)}" for name, value in state.best_metric.items()) or "not measured"
    ended = f"{outcome.capitalize()} after {count(state.epochs_done, 'epoch')}"
    live.reporter.write(f"{ended}; best epoch {state.best_epoch}: {best}")
    if fitted.failure is not None:
        result["error"] = {"type": fitted.failure.kind, "message": str(fitted.failure)}
    return result | ({"outcome": "paused"} if outcome == "paused" else {})


@contextmanager
def _plain_failures() -> Iterator[None]:
    """Turn what a user can cause and mend into a JobFailure with a plain reason."""
    try:
        yield
    except ImageReadError as error:
        message = re.split(r"ImageReadError: ", str(error))[-1].strip()
        raise JobFailure(message, "ImageReadError") from error
    except RunBroken as reason:
        msg = (
            f"{reason.message} On several devices, a run does not return to its last checkpoint automatically. Resume "
            "or restart it with a smaller learning rate, gradient clip 1, or precision 32."
        )
        raise JobFailure(msg, "LossNotFinite") from reason
    except (MemoryError, RuntimeError) as error:
        broken = as_broken(error)
        if broken is None:
            raise
        msg = f"{broken.message} Use a smaller batch size with a larger batch multiplier, or a smaller image size."
        raise JobFailure(msg, "OutOfMemory") from error
