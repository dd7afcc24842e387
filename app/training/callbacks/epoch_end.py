"""Closes an epoch: validation, the best so far, early stopping, checkpoints, and only then the events."""

from __future__ import annotations

import math
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from app.metric_text import show_metric
from app.schemas.experiments import EpochMetrics
from app.training.callbacks.commands import CommandWatcher
from app.training.live_run import LiveRun
from app.training.measurement import subtract
from app.training.state import MIN_DELTA, is_better
from app.training.validation import validate


class EpochCloser(Callback):
    """Closes each epoch, and one that was trained but not closed when the run was paused."""

    def __init__(self, live: LiveRun, commands: CommandWatcher) -> None:
        self._live = live
        self._commands = commands
        self._metrics = live.inputs.parts.metrics.build_epoch_metrics(live.inputs.context)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report what an earlier process closed and could not report any more; close what it left open."""
        self._live.report_epochs()
        if self._live.state.is_epoch_trained:
            started_s = time.monotonic()
            self.close(trainer)
            self._live.started_s += time.monotonic() - started_s

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the epoch that was just trained."""
        if self._live.module.plan.learns_by == "fill":
            self._live.module.task_model.finish_fill()
        self.close(trainer)

    def close(self, trainer: Trainer) -> None:
        """Close the present epoch; afterwards the state stands at the first batch of the next one."""
        live, state = self._live, self._live.state
        state.is_epoch_trained = True
        live.data.settle_pace()
        live.report_pace()
        values = self._measure_training(trainer) | self._measure_validation(trainer)
        live.meter.mark()
        values = {name: value for name, value in values.items() if math.isfinite(value)}
        is_best = self._update_best(values)
        self._update_early_stopping(values, is_best)
        metrics = self._describe_epoch(values)
        state.final_metrics = values
        state.history.append(metrics.model_dump(mode="json"))
        state.start_next_epoch()
        live.module.reset_loss_sum()
        is_over = state.is_stopped_early or state.epochs_done >= live.inputs.max_epochs
        saved = live.savings.close_epoch(trainer, is_best, is_over)
        self._write_line(metrics, values, is_best)
        live.report_epochs()
        for event in saved:
            live.reporter.report(event)
        if state.is_stopped_early:
            trainer.should_stop = True
        live.speed.overheads_s.append(live.meter.lap())

    def _measure_training(self, trainer: Trainer) -> dict[str, float]:
        live = self._live
        if live.module.plan.learns_by == "fill":
            return {}
        total, count = float(live.module.loss_sum), float(live.state.images_in_epoch)
        if trainer.world_size > 1:
            device = trainer.strategy.root_device
            pair = live.module.loss_sum.new_tensor([total, count]).to(device)
            total, count = trainer.strategy.reduce(pair, reduce_op="sum").tolist()
        live.module.check_loss(total)
        return {"train_loss": total / max(count, 1.0)}

    def _measure_validation(self, trainer: Trainer) -> dict[str, float]:
        live = self._live
        loader = live.data.validation_loader
        if loader is None:
            return {}
        live.meter.mark()

        def on_batch(number: int) -> None:
            live.report_progress("eval", number, len(loader), live.estimate_eta_s(number))
            if number <= live.data.validation_batches_everywhere:
                # Processes ask together, so none may ask more often than the others.
                self._commands.check_in_validation(trainer)

        before = live.data.statistics
        values = validate(trainer, live.module, loader, self._metrics, on_batch)
        elapsed_s = live.meter.count_evaluation()
        live.state.epoch_duration_s += elapsed_s
        live.speed.evaluations.add(
            len(live.inputs.subsets["val"]) // live.data.world_size, elapsed_s, subtract(live.data.statistics, before)
        )
        live.report_skipped()
        # What follows is decided from these numbers in each process, so they must be the same to the last bit.
        agreed: dict[str, float] = trainer.strategy.broadcast(values) if trainer.world_size > 1 else values
        return agreed

    def _update_best(self, values: dict[str, float]) -> bool:
        state, inputs = self._live.state, self._live.inputs
        name = inputs.monitored_metric
        value = values.get(name, math.nan)
        has_improved = is_better(value, state.best_value, inputs.parts.spec.direction(name))
        if not has_improved and state.best_epoch is not None:
            return False
        state.best_epoch = state.epoch
        state.best_value = value if math.isfinite(value) else None
        state.best_metric = {name: value} if math.isfinite(value) else {}
        return True

    def _update_early_stopping(self, values: dict[str, float], is_best: bool) -> None:
        """Count epochs without improvement. One that is the best by a metric of the user's choice is none of them:
        the loss can rise for long while a rare class is still being learned."""
        state, inputs = self._live.state, self._live.inputs
        patience = inputs.hyperparameters.early_stopping_patience
        name = inputs.early_stopping_metric
        if patience == 0:
            return
        value = values.get(name, math.nan)
        is_chosen = inputs.monitored_metric != inputs.parts.spec.info.primary_metric
        if is_better(value, state.watched_best, inputs.parts.spec.direction(name), MIN_DELTA):
            state.watched_best, state.stale_epochs = value, 0
            return
        if is_best and is_chosen and state.epoch > 1:
            state.stale_epochs = 0
            return
        state.stale_epochs += 1
        if state.stale_epochs >= patience and state.epoch < inputs.max_epochs:
            state.is_stopped_early = True
            text = f"Stopped early after epoch {state.epoch}: {name} did not improve for {patience} epochs."
            self._live.reporter.log(text)

    def _describe_epoch(self, values: dict[str, float]) -> EpochMetrics:
        state, spec = self._live.state, self._live.inputs.parts.spec
        extra: dict[str, Any] = {}
        if self._live.data.validation_loader is not None:
            extra = {metric.name: values.get(metric.name) for metric in spec.info.epoch_metrics}
            extra |= {
                metric.name: values[metric.name] for metric in spec.info.optional_metrics if metric.name in values
            }
        return EpochMetrics(
            epoch=state.epoch,
            train_loss=values.get("train_loss"),
            val_loss=values.get("val_loss"),
            lr=state.last_lr,
            duration_s=round(state.epoch_duration_s, 4),
            **extra,
        )

    def _write_line(self, metrics: EpochMetrics, values: dict[str, float], is_best: bool) -> None:
        text = ", ".join(f"{name} {show_metric(value)}" for name, value in values.items())
        marker = ", best so far" if is_best else ""
        self._live.reporter.write(
            f"Epoch {metrics.epoch}/{self._live.inputs.max_epochs}: {text}, lr {metrics.lr:.3g}, "
            f"{metrics.duration_s:.1f} s{marker}"
        )
