"""What follows each training batch: time, progress, a look at the loss, and a checkpoint every few minutes."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from app.throttle import Throttle
from app.training.live_run import LiveRun

CHECKPOINT_INTERVAL_S = 300.0
LOSS_CHECK_INTERVAL_S = 0.5


class StepFollower(Callback):
    """Keeps time, reports progress, and refuses to go on with a loss that is not finite."""

    def __init__(self, live: LiveRun) -> None:
        self._live = live
        # Reading the loss waits for the GPU, so it is read by time; on the CPU there is nothing to wait for.
        is_on_cpu = live.module.device.type == "cpu"
        self._loss_throttle = Throttle(0.0 if is_on_cpu else LOSS_CHECK_INTERVAL_S)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to measure."""
        self._live.meter.mark()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Follow one batch."""
        live = self._live
        elapsed_s = live.meter.count_batch()
        live.state.epoch_duration_s += elapsed_s
        live.state.fit_duration_s += elapsed_s
        if self._loss_throttle.is_due():
            live.module.check_loss()
        live.report_progress("fit", live.state.batch, live.data.batches_per_epoch, live.estimate_eta_s())


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
            for event in live.save(trainer):
                live.reporter.report(event)
