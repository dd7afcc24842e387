"""Experiments and their runs: records, requests and answers."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, model_validator

from app.schemas.common import (
    Count,
    Description,
    ExperimentId,
    JobId,
    ProjectId,
    RunId,
    Size,
    StrictModel,
    Time,
    refuse_repeats,
)
from app.schemas.model_settings import ArchitectureSettings, BackboneSettings
from app.schemas.names import KnownName, Name
from app.schemas.recorded_settings import Hyperparameters, Parent, Requested, Resolved
from app.schemas.tasks import AugmentationEntry

ExperimentStatus = Literal[
    "created", "pending", "training", "paused", "completed", "failed", "cancelled", "interrupted"
]
ACTIVE_EXPERIMENT_STATUSES: frozenset[ExperimentStatus] = frozenset({"pending", "training"})
RunStatus = Literal["pending", "running", "paused", "completed", "failed", "cancelled", "interrupted"]
Precision = Literal["auto", "32", "16-mixed", "bf16-mixed"]
ModelSetting = bool | int | float | str | list[bool] | list[int] | list[float] | list[str] | None
A = TypeVar("A", bound=ArchitectureSettings)


def _checkpoint_of_file(value: Any) -> Any:
    return value.removesuffix(".ckpt") if isinstance(value, str) else value


def _device_of_torch(value: Any) -> Any:
    if not isinstance(value, str):  # what comes here was not checked, so it may be anything
        return value
    if value in {"cuda", "gpu"}:
        return "gpu:0"
    return value.replace("cuda:", "gpu:", 1) if value.startswith("cuda:") else value


# Requests may name a checkpoint by its file (best.ckpt) and a device as torch does (cuda:0).
CheckpointName = Annotated[Literal["best", "last"], BeforeValidator(_checkpoint_of_file)]
DeviceId = Annotated[str, Field(pattern=r"^(cpu|gpu:[0-9]{1,2})$"), BeforeValidator(_device_of_torch)]


class ModelSettings(BackboneSettings):
    """Which model is trained, and from where it starts. Further keys are settings that its architecture alone has.

    What is stored and handed on; `read_as` gives the class that the architecture declares.
    """

    model_config = StrictModel.model_config | {"extra": "allow"}
    __pydantic_extra__: dict[str, ModelSetting]

    def read_as(self, kind: type[A]) -> A:
        """Return the settings as the class of an architecture; raises ValidationError for values that it refuses."""
        values = self.model_dump()
        return kind.model_validate({name: values[name] for name in kind.model_fields if name in values})


class HardwareSettings(StrictModel):
    """Where and in which arithmetic a run computes."""

    selected_devices: list[DeviceId] = Field(default_factory=lambda: ["cpu"], min_length=1, max_length=16)
    precision: Precision = Field(
        "auto", description="Numerical precision of training; auto chooses the fastest on this machine."
    )
    memory_format: Literal["auto", "contiguous", "channels_last"] = Field(
        "auto", description="Memory layout of images; auto chooses the faster one."
    )
    fused_optimizer: Literal["auto", "on", "off"] = Field(
        "auto", description="Update all weights in one operation, which is faster."
    )
    compile: Literal["auto", "on", "off"] = Field(
        "auto", description="Compile the model; auto compiles if that saves time in this run."
    )


class AugmentationSettings(StrictModel):
    """Transforms of the training images, and of all other images."""

    train: list[AugmentationEntry] = Field(default_factory=list, max_length=32)
    val: list[AugmentationEntry] = Field(default_factory=list, max_length=32)


class CheckpointInfo(StrictModel):
    """A checkpoint that exists."""

    path: str = Field(description="Relative to the experiment.")
    size_mb: Size
    epoch: Count

    @property
    def moment(self) -> str:
        """When it was saved, in words; `epoch` counts finished epochs, so it is 0 inside the first one."""
        return f"epoch {self.epoch}" if self.epoch else "saved in epoch 1"


class ErrorInfo(StrictModel):
    """Why something failed."""

    type: str
    message: str
    traceback: str = ""


class ExperimentRecord(StrictModel):
    """experiment.json."""

    version: int = 1
    id: ExperimentId
    name: Name
    description: Description = None
    created_at: Time
    updated_at: Time
    status: ExperimentStatus = "created"
    started_at: Time | None = None
    completed_at: Time | None = None
    split_name: str
    model: ModelSettings
    hyperparameters: Hyperparameters
    augmentations: AugmentationSettings
    hardware: HardwareSettings
    current_run_id: RunId | None = None
    best_epoch: Count | None = None
    best_metric: dict[str, float] = Field(default_factory=dict)
    final_metrics: dict[str, float] = Field(default_factory=dict)
    error: ErrorInfo | None = None
    checkpoints: dict[CheckpointName, CheckpointInfo] = Field(default_factory=dict)
    parent: Parent | None = Field(None, description="Where a fork began: experiment, run and checkpoint.")


class ExperimentIndexEntry(StrictModel):
    """One line of experiments_index.json."""

    id: ExperimentId
    name: Name
    created_at: Time
    status: ExperimentStatus
    best_metric_value: float | None = None


class ExperimentsIndex(StrictModel):
    """experiments_index.json; derived from the records, rebuilt when it is missing."""

    version: int = 1
    experiments: list[ExperimentIndexEntry] = Field(default_factory=list)

    @model_validator(mode="after")
    def _are_different(self) -> ExperimentsIndex:
        refuse_repeats((entry.id for entry in self.experiments), "an experiment")
        return self


class ExperimentCreate(StrictModel):
    """A new experiment; what is left out takes the task's default."""

    name: Name
    description: Description = None
    split_name: KnownName | None = Field(None, description="Default: the first split.")
    model: dict[str, Any] = Field(default_factory=dict)
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    augmentations: AugmentationSettings | None = None
    hardware: HardwareSettings | None = None


class ExperimentUpdate(StrictModel):
    """Changes: objects are merged by key, lists are replaced."""

    name: Name | None = None
    description: Description = None
    split_name: KnownName | None = None
    model: dict[str, Any] | None = None
    hyperparameters: dict[str, Any] | None = None
    augmentations: dict[str, list[AugmentationEntry]] | None = None
    hardware: dict[str, Any] | None = None


class RunRecovery(StrictModel):
    """A failure after which a run continued."""

    message: str
    epoch: int = Field(ge=0, description="The epoch in which it continued.")
    batch: int = Field(ge=0, description="Batches of this epoch that were finished before.")
    learning_rate: float
    micro_batch_size: int = Field(ge=1)


class RunRecord(StrictModel):
    """run.json: one execution of an experiment."""

    version: int = 1
    id: RunId
    experiment_id: ExperimentId
    job_id: JobId | None = None
    status: RunStatus = "pending"
    created_at: Time
    started_at: Time | None = None
    completed_at: Time | None = None
    resumed_count: Count = 0
    first_started_at: Time | None = Field(None, description="Of a resumed run; started_at is that of its last part.")
    earlier_s: Size = Field(0.0, description="How long a resumed run ran before its last part.")
    skipped_images: int = Field(0, ge=0, description="Images left out because they cannot be read; the log names them.")
    skipped: list[dict[str, str]] = Field(default_factory=list, description="The first, with filename and message.")
    recoveries: list[RunRecovery] = Field(default_factory=list, description="Failures after which the run continued.")
    forecast_s: Size | None = Field(
        None, description="Time that was forecast at the start; from started_at to completed_at if never resumed."
    )
    forecast_status: Literal["ready", "estimated"] | None = Field(
        None, description="ready: from a measurement of these settings; estimated: of others."
    )
    best_epoch: Count | None = None
    best_metric: dict[str, float] = Field(default_factory=dict)
    final_metrics: dict[str, float] = Field(default_factory=dict)
    error: ErrorInfo | None = None


RUN_SETTINGS = frozenset({"model", "hyperparameters", "augmentations", "hardware", "split_name"})
"""Fields of an experiment that say how it is trained."""
REQUESTED = RUN_SETTINGS | {"parent"}
"""Those that the record of a run keeps as `requested`."""


class RunConfigRecord(StrictModel):
    """config.json: the frozen record of a run, everything resolved."""

    version: int = 1
    run_id: RunId
    experiment_id: ExperimentId
    created_at: Time
    requested: Requested
    resolved: Resolved


class EpochMetrics(StrictModel):
    """One epoch of metrics.json; further keys are the metrics `val_*`."""

    model_config = StrictModel.model_config | {"extra": "allow"}
    __pydantic_extra__: dict[str, float | None]

    epoch: int = Field(ge=1)
    train_loss: float | None
    val_loss: float | None = None
    lr: float
    duration_s: Size


class MetricsRecord(StrictModel):
    """metrics.json of a run."""

    version: int = 1
    epochs: list[EpochMetrics] = Field(default_factory=list)

    @model_validator(mode="after")
    def _are_in_order(self) -> MetricsRecord:
        numbers = [epoch.epoch for epoch in self.epochs]
        if any(later <= earlier for earlier, later in pairwise(numbers)):
            msg = "an epoch occurs twice, or after a later one"
            raise ValueError(msg)
        return self


class ExperimentList(StrictModel):
    """The experiments of a project."""

    experiments: list[ExperimentRecord]


class ExperimentDeleted(StrictModel):
    """Answer to a deletion."""

    project_id: ProjectId
    experiment_id: ExperimentId
    deleted: Literal[True] = True


class RunStarted(StrictModel):
    """Response to a request that starts or changes a run."""

    experiment_id: ExperimentId
    run_id: RunId
    status: ExperimentStatus
    job_id: JobId | None = None
    warnings: list[str] = Field(
        default_factory=list, description="What the settings hide in these images, with what to choose instead."
    )


class MoreEpochsRequest(StrictModel):
    """How many epochs a completed experiment is continued for."""

    epochs: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Default: as many as the maximum was raised by since the run, or as the run had.",
    )


class StopRequest(StrictModel):
    """How to stop a run."""

    keep: bool = Field(False, description="End as completed, on the best checkpoint so far.")


class ForkRequest(StrictModel):
    """A new experiment that starts from the weights of this one."""

    checkpoint: CheckpointName = "best"
    name: Name
    changes: ExperimentUpdate = Field(default_factory=lambda: ExperimentUpdate())


class DuplicateRequest(StrictModel):
    """A new experiment with the same settings."""

    name: Name | None = None


class RunList(StrictModel):
    """The runs of an experiment, newest first."""

    runs: list[RunRecord]


class LogChunk(StrictModel):
    """A piece of a log, and where the next one begins."""

    text: str
    offset: int = Field(description="Byte at which the text begins.")
    next_offset: int
    is_complete: bool = Field(description="The run has ended and the text reaches its end.")


class QueueEntry(StrictModel):
    """A queued run."""

    run_id: RunId
    experiment_id: ExperimentId
    experiment_name: str
    job_id: JobId
    position: int
    created_at: str


class QueueList(StrictModel):
    """The queued runs in the order in which they will start."""

    queue: list[QueueEntry]


class QueueMove(StrictModel):
    """A new place in the queue, 0 is next."""

    position: int = Field(ge=0, le=10_000)
