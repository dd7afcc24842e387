"""Obeys cancel, pause and stop-and-keep within one batch, in training and in validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from app.schemas.jobs import JobCommand
from app.training.live_run import LiveRun, TrainingInterrupted


class CommandWatcher(Callback):
    """Raises TrainingInterrupted after saving what the command needs."""

    def __init__(self, live: LiveRun) -> None:
        self._live = live
        self.close_epoch: Callable[[Trainer], None] | None = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look for a command after each batch."""
        command = self._live.read_command()
        if command is None:
            return
        if command == "stop_keep" and self._live.state.best_epoch is None and self.close_epoch is not None:
            # Nothing is there to keep yet, so the epoch ends here and is measured.
            self._finish_fill_early()
            self.close_epoch(trainer)
            raise TrainingInterrupted(command)
        self._obey(trainer, command)

    def check_in_validation(self, trainer: Trainer) -> None:
        """Look for a command after a batch of validation."""
        command = self._live.read_command()
        has_nothing_to_keep = self._live.state.best_epoch is None
        if command is not None and not (command == "stop_keep" and has_nothing_to_keep):
            self._obey(trainer, command)

    def _obey(self, trainer: Trainer, command: JobCommand) -> None:
        savings = self._live.savings
        if command == "pause" and trainer.world_size > 1:
            # A loss that broke in one process since it was last read must not be saved by another.
            with self._live.meeting.keep_break():
                self._live.module.check_loss()
            self._live.read_command()
        # A cancel leaves what there is, within its deadline; only a run without any checkpoint gets one.
        is_saved = command == "pause" or (command == "cancel" and not savings.has_last)
        for event in savings.save(trainer) if is_saved else savings.flush_best():
            self._live.reporter.report(event)
        raise TrainingInterrupted(command)

    def _finish_fill_early(self) -> None:
        if self._live.module.plan.learns_by == "fill":
            self._live.module.task_model.finish_fill()
