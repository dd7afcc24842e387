"""Puts a run back to where its checkpoint was taken, once devices and optimizer exist."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from app.datasets.sampling import derive_seed
from app.training.checkpoints.changed_settings import continue_gradients
from app.training.checkpoints.content import restore_checkpoint, restore_random, seed_everything
from app.training.live_run import LiveRun


class Resumption(Callback):
    """Restores a checkpoint at the start, and the sampler's position in every epoch."""

    def __init__(self, live: LiveRun, saved: Mapping[str, Any] | None) -> None:
        self._live = live
        self._saved = saved

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore what hangs on the optimizer, and the random numbers."""
        if self._saved is not None:
            restore_checkpoint(self._live.scaler(trainer), self._live.module, self._saved)
        self._restore_random(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the gradients of a half-done step, which Lightning has just cleared, and the random numbers again."""
        if self._saved is not None:
            continue_gradients(self._live.module, self._saved)
        self._restore_random(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin where the state stands."""
        state = self._live.state
        self._live.data.sampler.set_position(state.epoch, state.batch)

    def _restore_random(self, trainer: Trainer) -> None:
        if trainer.global_rank > 0:
            # Each process drops other features; the saved numbers are those of the first one.
            seed = self._live.inputs.hyperparameters.seed
            seed_everything(derive_seed(seed, trainer.global_rank, self._live.state.optimizer_steps))
        elif self._saved is not None:
            restore_random(self._saved["random"])
