"""What is known of an experiment's current run at one moment: what the results column of the training page shows."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from app.schemas.common import FrozenModel, StrictModel
from app.schemas.events import JobProgressed, ResourceStats, TrainProgress
from app.schemas.experiments import (
    CheckpointInfo,
    CheckpointName,
    EpochMetrics,
    ExperimentRecord,
    QueueEntry,
    RunConfigRecord,
    RunRecord,
)
from app.schemas.jobs import JobCommand
from app.schemas.tasks import Direction, MetricSpec

RunAction = Literal["pause", "stop_keep", "cancel", "resume", "keep", "restart", "more", "fork", "evaluate", "export"]


class RunFigures(FrozenModel):
    """What a running job said last. `beside` is work beside its steps, e.g. a download; `asked` a command."""

    progress: TrainProgress | None = None
    resources: ResourceStats | None = None
    beside: JobProgressed | None = None
    asked: JobCommand | None = None


class Blocker(StrictModel):
    """A job that has a device which a waiting run needs."""

    kind: str
    devices: list[str]
    experiment_name: str | None = Field(None, description="None for a job of another project.")


class QueueView(StrictModel):
    """The waiting runs of a project, and what keeps one of them from starting."""

    entries: list[QueueEntry]
    blockers: list[Blocker] = Field(default_factory=list)
    num_before: int = Field(0, description="Jobs of any project that wait before it.")


class TrainingResults(StrictModel):
    """An experiment and its current run. `seq` was read first: what happens later comes again as events.

    `reasons` says of each action why it cannot be taken now; one that is not there can.
    """

    project_id: str
    seq: int
    experiment: ExperimentRecord
    run: RunRecord | None
    epochs: list[EpochMetrics]
    config: RunConfigRecord | None
    figures: RunFigures
    queue: QueueView
    runs: list[RunRecord] = Field(description="All runs of the experiment, newest first.")
    checkpoints: dict[CheckpointName, CheckpointInfo] = Field(description="Those whose files exist.")
    log_bytes: int
    reasons: dict[RunAction, str]
    resume_changes: str = Field("", description="Changed settings that Resume applies or ignores, in sentences.")
    metrics: list[MetricSpec] = Field(description="What an epoch measures beside the losses.")
    primary_metric: str
    monitored_metric: str = Field(description="The one whose best epoch is kept.")
    monitored_direction: Direction
    best_epoch: int | None = Field(description="While a run goes on: of its epochs so far, saved or not.")
    best_metric: dict[str, float] = Field(description="The value of the best epoch, from the same reading.")
    hyperparameter_schema: dict[str, Any] = Field(description="JSON Schema of the task's hyperparameters.")
    num_images: dict[str, int] = Field(description="Images of each subset of the split, empty without a split.")
    more_epochs: int = Field(0, description="Epochs that a completed experiment can be continued for.")
    num_val_copies: int = Field(0, description="Validation images that are identical to a training image.")
