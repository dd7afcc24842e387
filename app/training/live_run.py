"""What the parts of a running training share: its inputs, its state, its files, its voice. No decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from lightning.pytorch import Trainer

from app.schemas.events import CheckpointSaved, RunPhase, TrainProgress
from app.schemas.job_context import JobContext
from app.schemas.jobs import JobCommand
from app.throttle import Throttle
from app.training.checkpoint_content import build_checkpoint
from app.training.checkpoint_files import BEST, LAST, keep_as, save_atomically
from app.training.data_module import TrainingData
from app.training.inputs import TrainingInputs
from app.training.lightning_module import TrainingModule
from app.training.progress import ProgressMeter
from app.training.reporting import RunReporter
from app.training.state import RunState

PROGRESS_INTERVAL_S = 0.35
_COMMANDS: tuple[JobCommand | None, ...] = (None, "stop_keep", "pause", "cancel")


class TrainingInterrupted(Exception):  # noqa: N818 - an outcome, not an error
    """Ends the training loop after a command; what had to be saved is saved."""

    def __init__(self, command: JobCommand) -> None:
        super().__init__(command)
        self.command = command


@dataclass
class LiveRun:
    """A run while it goes on."""

    context: JobContext
    inputs: TrainingInputs
    reporter: RunReporter
    module: TrainingModule
    data: TrainingData
    identity: Mapping[str, Any]
    meter: ProgressMeter = field(default_factory=ProgressMeter)
    progress_throttle: Throttle = field(default_factory=lambda: Throttle(PROGRESS_INTERVAL_S))
    checkpoints: dict[str, dict[str, Any]] = field(default_factory=dict)
    _command_group: Any = None

    @property
    def state(self) -> RunState:
        """Where the run stands."""
        return self.module.run_state

    @property
    def checkpoint_dir(self) -> Path:
        """Where checkpoints lie."""
        return self.context.output_dir / "checkpoints"

    def read_command(self) -> JobCommand | None:
        """Return the command so far; the first process reads it and tells the others."""
        if not torch.distributed.is_available() or not torch.distributed.is_initialized():
            return self.context.command()
        if self._command_group is None:
            # A group on the CPU, so that asking after each batch does not wait for the GPUs.
            self._command_group = torch.distributed.new_group(backend="gloo")
        number = torch.tensor(_COMMANDS.index(self.context.command() if not self.reporter.is_silent else None))
        torch.distributed.broadcast(number, src=0, group=self._command_group)
        return _COMMANDS[int(number)]

    def report_progress(
        self, phase: RunPhase, step: int, steps: int, eta_s: float | None, is_forced: bool = False
    ) -> None:
        """Report how far the run is, unless it was reported just now."""
        if self.progress_throttle.is_due() or is_forced:
            epochs = self.inputs.max_epochs
            epoch = min(self.state.epoch, epochs)
            run_id = self.reporter.run_id
            eta_s = None if eta_s is None else round(eta_s, 2)
            self.reporter.report(
                TrainProgress(
                    run_id=run_id, epoch=epoch, epochs=epochs, step=step, steps=steps, eta_s=eta_s, phase=phase
                )
            )

    def estimate_eta_s(self, eval_batches_done: int | None = None) -> float | None:
        """Return the seconds to the end, from within training or from within a validation."""
        state, data = self.state, self.data
        epochs_after = max(self.inputs.max_epochs - state.epoch, 0)
        loader = data.validation_loader
        eval_batches = 0 if loader is None else len(loader)
        train_batches = data.batches_per_epoch - state.batch + epochs_after * data.batches_per_epoch
        evaluations = float(epochs_after + 1) if eval_batches else 0.0
        if eval_batches_done is not None and eval_batches:
            evaluations -= eval_batches_done / eval_batches
        return self.meter.estimate_remaining_s(train_batches, evaluations, eval_batches)

    def describe_checkpoints(self) -> dict[str, dict[str, Any]]:
        """Return the checkpoints on disk by name: path relative to the run, size and epoch."""
        found = dict(self.checkpoints)
        for name, filename in (("last", LAST), ("best", BEST)):
            path = self.checkpoint_dir / filename
            if name not in found and path.is_file():
                epoch = self.state.best_epoch if name == "best" else self.state.epochs_done
                size_mb = round(path.stat().st_size / 2**20, 3)
                found[name] = {"path": f"checkpoints/{filename}", "size_mb": size_mb, "epoch": epoch}
        return found

    def save(self, trainer: Trainer, is_best: bool = False) -> list[CheckpointSaved]:
        """Write last.ckpt, and keep it as best.ckpt too; return the facts to report once all else is said."""
        content = build_checkpoint(trainer, self.module, self.inputs, self.identity)
        if self.reporter.is_silent:
            return []
        last = self.checkpoint_dir / LAST
        size_bytes = save_atomically(content, last)
        saved = [self._note("last", LAST, size_bytes)]
        if is_best:
            keep_as(last, self.checkpoint_dir / BEST)
            saved.append(self._note("best", BEST, size_bytes))
        return saved

    def _note(self, name: Any, filename: str, size_bytes: int) -> CheckpointSaved:
        epoch = self.state.epochs_done
        path = f"checkpoints/{filename}"
        self.checkpoints[name] = {"path": path, "size_mb": round(size_bytes / 2**20, 3), "epoch": epoch}
        return CheckpointSaved(
            run_id=self.reporter.run_id,
            name=name,
            path=path,
            epoch=epoch,
            size_bytes=size_bytes,
            metric=dict(self.state.final_metrics),
        )
