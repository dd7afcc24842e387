"""Runs the training loop until it ends, and begins it again from the last good checkpoint when it breaks."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import Trainer

from app.plurals import count
from app.schemas.events import RunRecovered
from app.schemas.job_context import JobCancelled, JobFailure
from app.training.callbacks.commands import CommandWatcher
from app.training.callbacks.epoch_end import EpochCloser
from app.training.callbacks.resources import ResourceMonitor
from app.training.callbacks.resumption import Resumption
from app.training.callbacks.steps import StepFollower, TimedCheckpoint
from app.training.checkpoints.content import RESUME_KEY
from app.training.checkpoints.files import LAST
from app.training.features.start import switch_to_features
from app.training.live_run import LiveRun, TrainingInterrupted
from app.training.ranks import RankWatcher
from app.training.recovery import Adjustment, RunBroken, as_broken, describe_recovery, plan_recovery
from app.training.start import RunStart, announce_run, prepare_run
from app.training.trainer import KeepSignals, plan_trainer

_REQUESTS = {"pause": "Paused", "stop_keep": "Stopped to keep the best checkpoint", "cancel": "Cancelled"}


class Fitted(NamedTuple):
    """How a training ended: "completed" or "paused", and for a pause that nobody asked for, why."""

    live: LiveRun
    outcome: str
    failure: JobFailure | None = None


def fit_with_recovery(start: RunStart) -> Fitted:
    """Train to the end; raises JobFailure when a run that broke cannot be mended, JobCancelled."""
    path = start.inputs.payload.resume_from
    resume_from = None if path is None else Path(path)
    broken = _find_earlier_break(start)
    adjusted: Adjustment | None = None
    reported_epochs = start.inputs.payload.recorded_epochs
    skipped: dict[str, str] = {}
    while True:
        live, content = prepare_run(start, resume_from, adjusted)
        live.state.add_skipped(skipped)
        if broken is not None:
            # Epochs after the checkpoint are trained again with other settings, so they are reported again and replace
            # what was reported; epochs in it that this process could not report yet still have to be.
            live.reported_epochs = min(reported_epochs, live.state.epochs_done)
        fitted = _try_to_fit(start, live, None if content is None else content[RESUME_KEY], broken)
        if isinstance(fitted, Fitted):
            return fitted
        broken, adjusted, reported_epochs = fitted, _plan(live, fitted), live.reported_epochs
        skipped = live.state.skipped
        last = live.context.output_dir / "checkpoints" / LAST
        resume_from = last if last.is_file() else resume_from
        # What the broken attempt held must be gone before the next one asks for memory.
        live.module.forget()
        del live, content
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _find_earlier_break(start: RunStart) -> RunBroken | None:
    """What ended the process before this one, which could not mend it itself: it was killed."""
    if start.inputs.payload.micro_batch_limit is None or start.hardware.num_processes > 1:
        return None
    return RunBroken("out_of_memory", "The system stopped the run because memory ran out.")


def _try_to_fit(
    start: RunStart, live: LiveRun, saved: Mapping[str, Any] | None, earlier: RunBroken | None
) -> Fitted | RunBroken:
    """Fit; `earlier` is what broke the attempt before."""
    try:
        with ResourceMonitor(live, start.hardware), closing(live):
            announce_run(start, live)
            if earlier is not None:
                _report_recovery(live, earlier)
            return Fitted(live, _fit_on_images_or_features(start, live, saved))
    except JobFailure as failure:
        if failure.kind == "DiskFull" and live.savings.has_last:
            live.reporter.log(str(failure), "error")
            return Fitted(live, "paused", failure)
        raise
    except (RunBroken, MemoryError, RuntimeError) as error:
        broken = as_broken(error)
        if broken is None or live.data.world_size > 1:
            raise
        # Without the frames of the failed step, which would keep its tensors alive.
        return RunBroken(broken.reason, broken.message)


def _fit_on_images_or_features(start: RunStart, live: LiveRun, saved: Mapping[str, Any] | None) -> str:
    if live.learns_from_features:
        try:
            switch_to_features(start, live)
        except TrainingInterrupted:
            # What a run goes on from holds more than there is now: neither optimizer nor gradients exist yet.
            for event in live.savings.save(None) if saved is None else []:
                live.reporter.report(event)
            return "paused"
    return fit(start, live, saved)


def fit(start: RunStart, live: LiveRun, saved: Mapping[str, Any] | None) -> str:
    """Run the loop; return "completed" or "paused"."""
    state, inputs = live.state, live.inputs
    remaining = 0 if state.is_stopped_early else inputs.max_epochs - state.epochs_done - int(state.is_epoch_trained)
    live.data.sampler.set_position(
        state.epoch + int(state.is_epoch_trained), 0 if state.is_epoch_trained else state.batch
    )
    commands = CommandWatcher(live)
    closer = EpochCloser(live, commands)
    commands.close_epoch = closer.close
    ranks = RankWatcher(Path(live.context.request.job_dir))
    callbacks = [
        KeepSignals(),
        ranks,
        Resumption(live, saved),
        StepFollower(live),
        commands,
        TimedCheckpoint(live),
        closer,
    ]
    hardware = start.hardware.with_precision(live.module.arithmetic.precision)
    arguments = plan_trainer(hardware, inputs.hyperparameters, live.context.output_dir, max(0, remaining))
    trainer = Trainer(**arguments, callbacks=callbacks)
    try:
        trainer.fit(live.module, train_dataloaders=live.data.train_dataloader())
    except TrainingInterrupted as interruption:
        request = _REQUESTS.get(interruption.command, interruption.command)
        live.reporter.log(f"{request} in epoch {state.epoch}, after {count(state.batch, 'batch', 'batches')}.")
        if interruption.command == "cancel":
            raise JobCancelled from None
        return "paused" if interruption.command == "pause" else "completed"
    return "completed"


def _plan(live: LiveRun, broken: RunBroken) -> Adjustment:
    state, arithmetic = live.state, live.module.arithmetic
    present = Adjustment(state.rate_scale, state.rollbacks, arithmetic.micro_batch_size, live.settled)
    rate = live.inputs.hyperparameters.learning_rate
    return plan_recovery(broken, present, arithmetic.micro_batch_size, rate)


def _report_recovery(live: LiveRun, broken: RunBroken) -> None:
    state, arithmetic = live.state, live.module.arithmetic
    rate = live.inputs.hyperparameters.learning_rate
    adjusted = Adjustment(state.rate_scale, state.rollbacks, arithmetic.micro_batch_size)
    message = describe_recovery(broken, adjusted, arithmetic.batch_size, rate)
    live.reporter.log(message, "warning")
    live.reporter.report(
        RunRecovered(
            run_id=live.reporter.run_id,
            reason=broken.reason,
            message=message,
            epoch=state.epoch,
            batch=state.batch,
            learning_rate=rate * state.rate_scale,
            micro_batch_size=arithmetic.micro_batch_size,
        )
    )
