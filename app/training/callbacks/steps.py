"""What follows each training batch: time, progress, a look at the loss, and a checkpoint every few minutes."""

from __future__ import annotations

import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from app.throttle import Throttle
from app.training.batch import Batch
from app.training.live_run import LiveRun
from app.training.measurement import subtract

CACHING_INTERVAL_S = 0.5
CHECKPOINT_INTERVAL_S = 300.0
LOSS_CHECK_INTERVAL_S = 0.5


class StepFollower(Callback):
    """Keeps time, reports progress and images that are left out, and does not go on with a loss that is not finite."""

    def __init__(self, live: LiveRun) -> None:
        self._live = live
        self._loss_throttle = Throttle(LOSS_CHECK_INTERVAL_S)
        self._caching_throttle = Throttle(CACHING_INTERVAL_S)
        self._reading = live.data.statistics
        self._is_first = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Decide how often to read the loss; only now the module is on its device."""
        # Reading waits for a GPU, so there it goes by time; on the CPU there is nothing to wait for.
        self._loss_throttle = Throttle(0.0 if pl_module.device.type == "cpu" else LOSS_CHECK_INTERVAL_S)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to measure."""
        self._live.meter.mark()
        self._reading = self._live.data.statistics

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Follow one batch."""
        live = self._live
        elapsed_s = live.meter.count_batch()
        live.state.epoch_duration_s += elapsed_s
        live.state.fit_duration_s += elapsed_s
        if live.speed.startup_s is None:
            live.speed.startup_s = max(0.0, time.monotonic() - live.started_s - elapsed_s)
        self._count(batch, elapsed_s)
        if self._loss_throttle.is_due():
            with live.meeting.keep_break():
                live.module.check_loss()
        live.report_skipped()
        # The first step is always said, because a run of tiny images can be over before the next report is due.
        is_first, self._is_first = self._is_first, False
        steps = live.data.batches_per_epoch
        live.report_progress("fit", live.state.batch, steps, live.estimate_eta_s(), is_forced=is_first)

    def _count(self, batch: Batch, elapsed_s: float) -> None:
        live = self._live
        now = live.data.statistics
        reading, self._reading = subtract(now, self._reading), now
        live.speed.count_step(batch.size, elapsed_s, reading)
        live.data.tune_pace(batch.size, reading, elapsed_s - reading.waited_s)
        live.report_pace()
        if reading.num_decoded:
            self._report_caching()

    def _report_caching(self) -> None:
        if not self._caching_throttle.is_due():
            return
        done, total = self._live.data.count_cached()
        if done:
            self._live.report_job_progress(done, total, f"Caching decoded images, {done:,} of {total:,}")


class TimedCheckpoint(Callback):
    """Saves in the middle of an epoch when the last checkpoint is some minutes old."""

    def __init__(self, live: LiveRun) -> None:
        self._live = live
        self._throttle = Throttle(CHECKPOINT_INTERVAL_S)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The end of the epoch before was saved."""
        self._throttle.restart()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when it is time."""
        live = self._live
        is_inside = 0 < live.state.batch < live.data.batches_per_epoch
        if is_inside and live.module.plan.learns_by == "gradient" and self._throttle.is_due():
            with live.meeting.keep_break():
                for event in live.savings.save(trainer):
                    live.reporter.report(event)
