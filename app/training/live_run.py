"""What the parts of a running training share: its inputs, its state, its files, its voice. No decisions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lightning.pytorch import Trainer
from torch.amp import GradScaler

from app.datasets.table import describe_name, source_name_of
from app.schemas.arithmetic import ArithmeticChoice
from app.schemas.events import (
    EpochFinished,
    JobProgressed,
    MetricScalar,
    RunConfigResolved,
    RunPhase,
    SamplesSkipped,
    SkippedSample,
    TrainProgress,
)
from app.schemas.experiments import EpochMetrics
from app.schemas.job_context import JobContext, JobFailure
from app.schemas.jobs import JobCommand
from app.throttle import Throttle
from app.training.checkpoints.content import build_checkpoint
from app.training.checkpoints.savings import Savings
from app.training.data_module import RunData
from app.training.inputs import TrainingInputs
from app.training.lightning_module import TrainingModule
from app.training.measurement import SpeedMeter
from app.training.progress import ProgressMeter
from app.training.ranks import Meeting
from app.training.reporting import RunReporter
from app.training.state import RunState

PROGRESS_INTERVAL_S = 0.35
MAX_NAMED_SKIPPED = 20
MAX_SKIPPED_SHARE = 0.5


class TrainingInterrupted(Exception):  # noqa: N818 - an outcome, not an error
    """Ends the training loop after a command; what had to be saved is saved."""

    def __init__(self, command: JobCommand) -> None:
        super().__init__(command)
        self.command = command


@dataclass
class LiveRun:
    """A run while it goes on.

    `settled` is its arithmetic before what broke divided the batch of `choice`. `started_s` is when it began, moved
    on by what is counted on its own: measuring and computing features.
    """

    context: JobContext
    inputs: TrainingInputs
    reporter: RunReporter
    module: TrainingModule
    data: RunData
    identity: Mapping[str, Any]
    settled: ArithmeticChoice
    choice: ArithmeticChoice
    learns_from_features: bool = False
    started_s: float = field(default_factory=time.monotonic)
    meter: ProgressMeter = field(default_factory=ProgressMeter)
    progress_throttle: Throttle = field(default_factory=lambda: Throttle(PROGRESS_INTERVAL_S))
    speed: SpeedMeter = field(default_factory=SpeedMeter)
    reported_epochs: int = 0
    resolved: dict[str, Any] = field(default_factory=dict)
    _num_left_out: int = 0
    _num_skipped_here: int = 0
    _is_pace_reported: bool = False

    def __post_init__(self) -> None:
        self.meeting = Meeting()
        self.savings = Savings(
            self.context.output_dir / "checkpoints",
            self.reporter.run_id,
            self.inputs.payload.model.backbone,
            lambda trainer: build_checkpoint(self.scaler(trainer), self.module, self.inputs, self.identity),
            is_writer=not self.reporter.is_silent,
        )

    @property
    def state(self) -> RunState:
        """Where the run stands."""
        return self.module.run_state

    def read_command(self) -> JobCommand | None:
        """Return the command so far; several processes meet here, and raise RunBroken when the run broke in one."""
        command = None if self.reporter.is_silent else self.context.command()
        return self.meeting.agree(command, self.module.describe_broken_loss())

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

    def report_resolved(self, resolved: dict[str, Any]) -> None:
        """Report the frozen record of the run, with the pace at which it reads images."""
        self.resolved = resolved | {"reading": self.data.describe_pace().model_dump(mode="json")}
        self.reporter.report(RunConfigResolved(run_id=self.reporter.run_id, resolved=self.resolved))

    def report_pace(self) -> None:
        """Report the record again when another pace than the announced one was found, or its figures."""
        if self._is_pace_reported or not self.data.is_pace_settled:
            return
        self._is_pace_reported = True
        if self.resolved.get("reading") != self.data.describe_pace().model_dump(mode="json"):
            self.report_resolved(self.resolved)

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

    def close(self) -> None:
        """End the threads that read and close files."""
        self.data.close()
        self._log_notes()

    def scaler(self, trainer: Trainer | None) -> GradScaler | None:
        """Return what keeps the gradients of half precision from vanishing, None in any other arithmetic."""
        return None if trainer is None else getattr(trainer.precision_plugin, "scaler", None)

    def report_job_progress(self, done: int, total: int, message: str) -> None:
        """Report how far something is that the job does beside its steps."""
        job_id = self.context.request.job_id
        self.reporter.report(JobProgressed(job_id=job_id, done=done, total=total, message=message))

    def report_skipped(self) -> None:
        """Report the images that turned out to be unreadable; raises JobFailure when most of them are.

        Images that were alone in their batch are only said to have been passed over: other epochs may learn from them.
        A cache that keeps no more images is named, too: from there on they are read again and again.
        """
        self._log_notes()
        self._log_left_out()
        found = self.data.take_skipped()
        self._num_skipped_here += len(found)
        # What an earlier process or attempt has left out is counted already, and is found again here.
        fresh = [sample for sample in found if sample.filename not in self.state.skipped]
        if fresh:
            self._report_fresh(fresh)
        total = sum(len(self.inputs.subsets[subset]) for subset in ("train", "val"))
        # Files can have been mended since an earlier process, so only what was found in this one counts here.
        if found and self._num_skipped_here > total * MAX_SKIPPED_SHARE:
            msg = (
                f"{self._num_skipped_here} of {total} images cannot be read. The first: {found[0].source_name}: "
                f"{found[0].message}"
            )
            raise JobFailure(msg, "ImageReadError")

    def _report_fresh(self, found: Sequence[SkippedSample]) -> None:
        self.state.add_skipped({sample.filename: sample.message for sample in found})
        for sample in found[:MAX_NAMED_SKIPPED]:
            self.reporter.log(f"Skipped {sample.source_name}: {sample.message}", "warning")
        named, count = list(found[:MAX_NAMED_SKIPPED]), len(self.state.skipped)
        self.reporter.report(SamplesSkipped(run_id=self.reporter.run_id, count=count, images=named))

    def _log_notes(self) -> None:
        for note in self.data.take_notes():
            self.reporter.log(note, "warning")

    def _log_left_out(self) -> None:
        positions, self.module.left_out = self.module.left_out, []
        for position in positions[: max(0, MAX_NAMED_SKIPPED - self._num_left_out)]:
            name = describe_name(self.inputs.subsets["train"][position])
            text = (
                f"Skipped {name} in epoch {self.state.epoch}: it was the only readable image of its batch, and "
                "at this image size batch normalisation cannot learn from one image."
            )
            self.reporter.log(text, "warning")
        self._num_left_out += len(positions)

    def name_skipped(self, limit: int) -> list[dict[str, str]]:
        """Return the first images that are left out, as plain data."""
        named = dict(list(self.state.skipped.items())[:limit])
        if not named:
            return []
        rows = (row for subset in self.inputs.subsets.values() for row in subset if row.filename in named)
        names = {row.filename: source_name_of(row) for row in rows}
        return [
            {"filename": filename, "source_name": names.get(filename, filename), "message": message}
            for filename, message in named.items()
        ]

    def report_epochs(self) -> None:
        """Report the closed epochs that were not reported yet, each once, in order."""
        run_id = self.reporter.run_id
        for epoch in self.state.history:
            metrics = EpochMetrics.model_validate(epoch)
            if metrics.epoch <= self.reported_epochs:
                continue
            self.reported_epochs = metrics.epoch
            for name, value in epoch.items():
                if value is not None and name.startswith(("train_", "val_")):
                    split: Any = "train" if name.startswith("train_") else "val"
                    scalar = MetricScalar(run_id=run_id, name=name, split=split, step=metrics.epoch, value=value)
                    self.reporter.report(scalar)
            self.reporter.report(EpochFinished(run_id=run_id, metrics=metrics))
