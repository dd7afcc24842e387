"""Builds everything that a run needs before its first step, anew or from a checkpoint. Nothing is trained here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from app.datasets.augmenting.chain import BatchAugmentation
from app.datasets.pacing import Pace
from app.models.weights import watch_downloads
from app.plurals import count
from app.schemas.arithmetic import PRECISION_WORDS, Arithmetic
from app.schemas.events import JobProgressed
from app.schemas.job_context import JobContext, raise_if_cancelled
from app.schemas.splits import SUBSET_WORDS
from app.tasks.run_checks import list_run_checks
from app.throttle import Throttle
from app.training.arithmetic.choosing import choose_arithmetic, divide_batch
from app.training.arithmetic.hardware import Hardware
from app.training.checkpoints.changed_settings import Changes, accept_changes, describe_changes, find_changes
from app.training.checkpoints.content import RESUME_KEY, identify_run, seed_everything
from app.training.checkpoints.files import remove_leftovers
from app.training.data_module import Reading, Share, TrainingData
from app.training.features.extraction import explain_why_not
from app.training.inputs import TrainingInputs
from app.training.lightning_module import StepPlan, TrainingModule
from app.training.live_run import LiveRun
from app.training.measurement import SpeedMeter
from app.training.model_start import build_start_model, check_resume, load_resumed_weights, read_resume
from app.training.optimization import plan_warmup_steps
from app.training.recovery import Adjustment
from app.training.reporting import RunReporter
from app.training.run_record import describe_run
from app.training.state import RunState

DOWNLOAD_REPORT_S = 0.5
MIB = 2**20


@dataclass(frozen=True)
class RunStart:
    """What a run begins with, once or several times."""

    context: JobContext
    inputs: TrainingInputs
    hardware: Hardware
    reporter: RunReporter
    rank: int
    started_s: float = field(default_factory=time.monotonic)

    @property
    def share(self) -> Share:
        """This process's part of the work."""
        return Share(self.rank, self.hardware.num_processes)


def prepare_run(
    start: RunStart, resume_from: Path | None, adjusted: Adjustment | None
) -> tuple[LiveRun, dict[str, Any] | None]:
    """Return a run that can be fitted, and the checkpoint that it goes on from; raises JobFailure, JobCancelled."""
    inputs = start.inputs
    # An attempt that broke is no part of what starting takes.
    started_s = start.started_s if adjusted is None else time.monotonic()
    remove_leftovers(start.context.output_dir / "checkpoints")
    content = None if resume_from is None else read_resume(resume_from)
    seed_everything(int(inputs.hyperparameters["seed"]))
    with watch_downloads(_report_downloads(start.context, start.reporter)):
        model = build_start_model(inputs, is_new=content is None)
    saved = None if content is None else content[RESUME_KEY].get("arithmetic")
    settled = None if adjusted is None else adjusted.choice
    if settled is None:
        settled = choose_arithmetic(inputs, start.hardware, model, saved, _follow_probe(start))
        started_s += settled.probe_s
    choice = divide_batch(settled, adjusted, inputs.payload.micro_batch_limit)
    augment = _build_augmentation(inputs)
    obstacle = explain_why_not(model, inputs, start.hardware.num_processes)
    data = _open_data(start, choice.chosen, augment if obstacle is not None else None)
    identity = identify_run(inputs, data.batches_per_epoch, data.world_size)
    if content is not None:
        content = check_resume(content, identity, inputs)
    changes = {} if content is None else find_changes(content[RESUME_KEY], inputs.hyperparameters)
    state = _start_state(content, adjusted, changes)
    state.forget_best_of_another(inputs.monitored_metric)
    plan = StepPlan(inputs.hyperparameters, data.batches_per_epoch, inputs.learns_by)
    module = TrainingModule(model, plan, state, choice.chosen, augment)
    if content is not None:
        load_resumed_weights(module, content)
    if inputs.payload.model.freeze_backbone and obstacle is not None:
        data.notes.append(f"Features are computed in each step. {obstacle}")
    live = LiveRun(start.context, inputs, start.reporter, module, data, identity, settled, choice, obstacle is None)
    live.started_s = started_s
    live.speed = SpeedMeter(torch.get_num_threads() if start.hardware.accelerator == "cpu" else None)
    live.reported_epochs = inputs.payload.recorded_epochs
    if changes and adjusted is None:
        live.reporter.log(describe_changes(changes))
    raise_if_cancelled(start.context)
    return live, content


def _start_state(content: dict[str, Any] | None, adjusted: Adjustment | None, changes: Changes) -> RunState:
    state = RunState() if content is None else RunState.from_json(content[RESUME_KEY]["state"])
    accept_changes(state, changes)
    if adjusted is not None:
        state.rate_scale, state.rollbacks = adjusted.rate_scale, adjusted.rollbacks
    return state


def _build_augmentation(inputs: TrainingInputs) -> BatchAugmentation | None:
    if inputs.learns_by == "fill":
        return None
    augment = BatchAugmentation(
        inputs.payload.augmentations.train,
        inputs.preprocessing.input_size,
        int(inputs.hyperparameters["seed"]),
        len(inputs.context.classes),
        inputs.parts.data.move_targets,
    )
    return None if augment.is_empty else augment


def _open_data(start: RunStart, arithmetic: Arithmetic, augment: BatchAugmentation | None) -> TrainingData:
    known = start.inputs.payload.known
    reading = Reading(
        requested_threads=int(start.inputs.hyperparameters["num_workers"]),
        is_on_gpu=start.hardware.accelerator == "cuda",
        source_scale=1.0 if augment is None else augment.source_scale,
        known=None if known is None or known.pace is None else Pace(**known.pace.model_dump()),
    )
    return TrainingData(start.inputs, arithmetic.batch_size, reading, start.share)


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


def _follow_probe(start: RunStart) -> Callable[[int, int, str], None]:
    """Return what a measurement calls: it shows what is tried and obeys a cancel."""

    def follow(done: int, total: int, message: str) -> None:
        raise_if_cancelled(start.context)
        if message:
            job_id = start.context.request.job_id
            start.reporter.report(JobProgressed(job_id=job_id, done=done, total=total, message=message))

    return follow


def announce_run(start: RunStart, live: LiveRun) -> None:
    """Report the frozen record of the run, and write what is notable about its start."""
    resolved = describe_run(start.inputs, start.hardware, live.module, live.choice)
    live.report_resolved(resolved)
    _log_start(start, live)
    live.report_progress("init", 0, live.data.batches_per_epoch, None, is_forced=True)


def _log_start(start: RunStart, live: LiveRun) -> None:
    inputs, log, arithmetic = live.inputs, live.reporter.log, live.choice.chosen
    counts = ", ".join(f"{len(rows):,} {SUBSET_WORDS.get(subset, subset)}" for subset, rows in inputs.subsets.items())
    precision = PRECISION_WORDS[arithmetic.precision]
    log(f"Training on {', '.join(start.hardware.names)} with precision {precision}; images: {counts}.")
    if live.choice.reason:
        log(live.choice.reason)
    for note in live.data.notes:
        log(note, "warning")
    if not inputs.subsets["val"]:
        log(
            "The split has no validation images, so the best checkpoint is the one with the lowest training loss.",
            "warning",
        )
    elif inputs.monitored_metric != inputs.parts.spec.info.primary_metric:
        log(f"The best checkpoint is chosen by {inputs.monitored_metric}. {inputs.metric_choice.reason}")
    if inputs.metric_choice.warning:
        log(inputs.metric_choice.warning, "warning")
    for check in list_run_checks(inputs.find_facts(start.hardware.num_processes)):
        if check.level == "warning" and check.id != "no_validation_images":  # that was said above
            log(f"{check.title}. {check.message}", "warning")
    if inputs.learns_by == "gradient":
        plan = live.module.plan
        wanted = int(inputs.hyperparameters["warmup_epochs"]) * plan.steps_per_epoch
        used = plan_warmup_steps(inputs.hyperparameters, plan.steps_per_epoch)
        if used < wanted:
            log(describe_warmup(used, wanted))
    if live.state.images_total:
        log(f"Resumed in epoch {live.state.epoch} after {live.state.batch} of {live.data.batches_per_epoch} batches.")


def describe_warmup(used: int, wanted: int) -> str:
    """Return the line of the log for a warm-up that is shortened, because it takes half of a run at most."""
    return f"Warm-up is shortened from {count(wanted, 'step')} to {used:,}: it takes half of the run at most."
