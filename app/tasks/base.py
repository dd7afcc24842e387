"""What a task is. This module is torch-free at run time; the protocols below say what the torch side must offer.

A task is a folder `app/tasks/<id>/` with five modules of fixed names:

- `spec.py`     `SPEC: TaskSpec`                                                       (no torch)
- `data.py`     `fit_statistics`, `encode_target`, `collate_targets`                   (DataPart)
- `module.py`   `build_model`                                                          (ModulePart)
- `metrics.py`  `build_epoch_metrics`, `result_rows`, `headline_intervals`, `aggregate` (MetricsPart)
- `export.py`   `OUTPUT_NAMES`, `difference`, `agreement`, `output_scales`, `decode`   (ExportPart)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import Field

from app.annotations.base import AnnotationKind
from app.annotations.registry import get_kind
from app.datasets.profile import SplitProfile
from app.datasets.table import ImageRecord
from app.schemas.common import StrictModel
from app.schemas.experiments import ModelSettings
from app.schemas.form_hints import form_hint
from app.schemas.tasks import MetricSpec, TaskInfo
from app.tasks.metric_choice import AUTO, MetricChoice

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    Outputs = dict[str, Tensor]
    ArrayOutputs = dict[str, np.ndarray[Any, Any]]


LOSS_TITLES = {"val_loss": "Validation loss", "train_loss": "Training loss"}
LOSSES = tuple(LOSS_TITLES)
STOPPING_METRIC_HINT = form_hint("Training", unless={"early_stopping_patience": (0,)})


class Hyperparameters(StrictModel):
    """The keys that every task shares. A task subclasses it, narrows `loss` and sets its own defaults.

    Each field says by `form_hint` in which part of a form it stands and with which other choices it has an effect.
    """

    optimizer: Literal["adam", "adamw", "sgd"] = Field(
        "adam", description="Algorithm that updates the weights.", json_schema_extra=form_hint("Optimizer")
    )
    learning_rate: float = Field(
        1e-3, gt=0.0, le=10.0, description="Learning rate after warm-up.", json_schema_extra=form_hint("Optimizer")
    )
    weight_decay: float = Field(
        1e-4,
        ge=0.0,
        le=1.0,
        description="Strength of the regularisation that keeps weights small.",
        json_schema_extra=form_hint("Optimizer"),
    )
    momentum: float = Field(
        0.9,
        ge=0.0,
        lt=1.0,
        description="Momentum of SGD.",
        json_schema_extra=form_hint("Optimizer", {"optimizer": ("sgd",)}),
    )
    scheduler: Literal["cosine", "step", "multistep", "poly", "none"] = Field(
        "cosine",
        description="How the learning rate decreases after warm-up.",
        json_schema_extra=form_hint("Scheduler"),
    )
    warmup_epochs: int = Field(
        5,
        ge=0,
        le=100,
        description="Number of epochs in which the learning rate increases from near zero.",
        json_schema_extra=form_hint("Scheduler"),
    )
    step_size: int = Field(
        10,
        ge=1,
        le=1000,
        description="Number of epochs between two decays (step).",
        json_schema_extra=form_hint("Scheduler", {"scheduler": ("step",)}),
    )
    milestones: list[int] = Field(
        default_factory=lambda: [30, 40],
        max_length=32,
        description="Epochs after which the rate decays, separated by commas (multistep).",
        json_schema_extra=form_hint("Scheduler", {"scheduler": ("multistep",)}),
    )
    gamma: float = Field(
        0.1,
        gt=0.0,
        le=1.0,
        description="Factor of each decay (step and multistep).",
        json_schema_extra=form_hint("Scheduler", {"scheduler": ("step", "multistep")}),
    )
    poly_power: float = Field(
        0.9,
        gt=0.0,
        le=10.0,
        description="Exponent of the decay (poly).",
        json_schema_extra=form_hint("Scheduler", {"scheduler": ("poly",)}),
    )
    loss: str = Field("", max_length=64, description="Loss function.", json_schema_extra=form_hint("Loss"))
    batch_size: int = Field(
        32,
        ge=1,
        le=256,
        description="Number of images in a batch, on each device.",
        json_schema_extra=form_hint("Training"),
    )
    auto_batch_size: bool = Field(
        False,
        description="Increase the batch size as far as memory and speed allow. The run's record shows the result.",
        json_schema_extra=form_hint("Training"),
    )
    batch_multiplier: int = Field(
        1,
        ge=1,
        le=64,
        description="Number of batches whose gradients are accumulated before each update.",
        json_schema_extra=form_hint("Training"),
    )
    max_epochs: int = Field(
        50,
        ge=1,
        le=1000,
        description="Maximum number of passes over the training images.",
        json_schema_extra=form_hint("Training"),
    )
    early_stopping_patience: int = Field(
        10,
        ge=0,
        le=100,
        description="Stop after this number of epochs without improvement; 0 turns early stopping off.",
        json_schema_extra=form_hint("Training"),
    )
    early_stopping_metric: str = Field(
        "val_loss",
        max_length=64,
        description="Metric used for early stopping.",
        json_schema_extra=STOPPING_METRIC_HINT,
    )
    checkpoint_metric: str = Field(
        AUTO,
        max_length=64,
        description="Metric used to choose the best epoch; auto chooses it based on the training images.",
        json_schema_extra=form_hint("Training"),
    )
    gradient_clip: float = Field(
        0.0,
        ge=0.0,
        le=1000.0,
        description="Maximum gradient norm; 0 turns clipping off.",
        json_schema_extra=form_hint("Optimizer"),
    )
    ema: bool = Field(
        False,
        description="Use an exponential moving average (EMA) of the weights for validation and the saved model.",
        json_schema_extra=form_hint("Training"),
    )
    seed: int = Field(42, ge=0, le=2**31 - 1, description="Random seed.", json_schema_extra=form_hint("Training"))
    deterministic: bool = Field(
        True,
        description="Use only operations that give the same result in every run.",
        json_schema_extra=form_hint("Training"),
    )
    reproducible: bool = Field(
        False,
        description="Use fixed compute settings instead of auto: 32 bit, channels last, not compiled. Every batch has "
        "the chosen size; only the last batch of an epoch can be smaller. Speed is not measured before the run.",
        json_schema_extra=form_hint("Training"),
    )
    image_size: int = Field(
        224,
        ge=16,
        le=2048,
        description="Side length in pixels that images are resized to.",
        json_schema_extra=form_hint("Images"),
    )
    resize_mode: Literal["stretch", "crop", "letterbox"] = Field(
        "stretch",
        description="How non-square images are made square.",
        json_schema_extra=form_hint("Images"),
    )
    num_workers: int = Field(
        -1,
        ge=-1,
        le=64,
        description="Number of threads that load images; -1 chooses the fastest number automatically.",
        json_schema_extra=form_hint("Hardware"),
    )
    feature_views: int = Field(
        1,
        ge=1,
        le=32,
        description="Frozen backbone: number of augmented versions of each image; 1 uses the unchanged image.",
        json_schema_extra=form_hint("Training", {"model.freeze_backbone": (True,)}),
    )


@dataclass(frozen=True)
class TaskSpec:
    """The torch-free face of a task."""

    info: TaskInfo
    hyperparameters: type[Hyperparameters]
    choose_auto: Callable[[SplitProfile], MetricChoice] | None = None
    """What the checkpoint metric `auto` stands for; None: always the primary metric."""
    find_metric_warning: Callable[[str, SplitProfile], str] | None = None
    """What a metric hides in these data, as a sentence; empty for nothing."""

    @property
    def id(self) -> str:
        """Id of the task."""
        return self.info.id

    @property
    def kind(self) -> AnnotationKind:
        """What an image is annotated with."""
        return get_kind(self.info.annotation_kind)

    def direction(self, metric: str) -> Literal["max", "min"]:
        """Return in which direction a monitored metric improves; val_loss is min. Raises KeyError when unknown."""
        if metric in LOSSES:
            return "min"
        return {spec.name: spec.direction for spec in self.all_metrics}[metric]

    @property
    def all_metrics(self) -> tuple[MetricSpec, ...]:
        """Metrics of every epoch, and those that are measured only when the checkpoint is chosen by them."""
        return (*self.info.epoch_metrics, *self.info.optional_metrics)

    @property
    def checkpoint_metrics(self) -> tuple[str, ...]:
        """What `checkpoint_metric` can be."""
        return (AUTO, *(metric.name for metric in self.all_metrics), *LOSSES)

    def choose_metric(self, wanted: str, profile: SplitProfile) -> MetricChoice:
        """Return the metric that decides the best checkpoint where there are validation images."""
        if wanted != AUTO:
            warning = self.find_metric_warning(wanted, profile) if self.find_metric_warning else ""
            return MetricChoice(wanted, "It was chosen in the settings.", warning)
        if self.choose_auto is not None:
            return self.choose_auto(profile)
        return MetricChoice(self.info.primary_metric, "It is the default for this task.")


@dataclass(frozen=True)
class TaskContext:
    """Everything that the torch side of a task is built from; plain data, saved in every checkpoint.

    `statistics` is what `fit_statistics` learned from the training images. `image_size` is (height, width) in pixels.
    """

    task: str
    classes: tuple[str, ...]
    statistics: Mapping[str, Any]
    model: ModelSettings
    hyperparameters: Mapping[str, Any]
    image_size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class DataPart(Protocol):
    """data.py: annotations to tensors."""

    def fit_statistics(self, rows: Sequence[ImageRecord], classes: Sequence[str]) -> dict[str, Any]:
        """Return what has to be learned from the training images before training, as plain JSON data."""
        ...

    def encode_target(self, row: ImageRecord, context: TaskContext) -> Any:
        """Return the target of one image as a tensor or a dictionary of tensors."""
        ...

    def collate_targets(self, targets: Sequence[Any]) -> Any:
        """Return the targets of a batch."""
        ...


class TaskModel(Protocol):
    """A torch module whose preprocessing is inside.

    `forward` takes (batch, 3, height, width) RGB in 0..255, uint8 or float, and returns the named outputs of the
    contract's "Exported models", as a dictionary in the order of `export.OUTPUT_NAMES`.
    """

    def __call__(self, images: Tensor) -> Outputs:
        """Return the named outputs."""
        ...

    def loss(self, images: Tensor, targets: Any) -> tuple[Tensor, Outputs]:
        """Return the scalar loss of a batch and its outputs; targets may be soft after MixUp or CutMix."""
        ...

    def fill(self, images: Tensor, targets: Any) -> None:
        """Take a batch into the memory (architectures that learn by fill; others raise NotImplementedError)."""
        ...

    def finish_fill(self) -> None:
        """Called once after the last batch of a fill."""
        ...


class FeatureModel(TaskModel, Protocol):
    """A TaskModel that can learn from features computed once; what is optional for a task.

    `loss(images, targets)` and `loss_of_features(extract_features(images), targets)` are the same function. A model
    without these members is trained on images.
    """

    @property
    def has_frozen_features(self) -> bool:
        """Whether `extract_features` always gives the same for the same images while the rest is trained."""
        ...

    def feature_layers(self) -> Sequence[nn.Module]:
        """Return the modules that `extract_features` runs; their weights, buffers and structure decide the features."""
        ...

    def extract_features(self, images: Tensor) -> Tensor:
        """Return float features (batch, ...) of images as `forward` takes them."""
        ...

    def loss_of_features(self, features: Tensor, targets: Any) -> tuple[Tensor, Outputs]:
        """Return what `loss` returns, from features; dropout belongs to this part."""
        ...


class ModulePart(Protocol):
    """module.py: the model."""

    def build_model(self, context: TaskContext, weights_dir: Path | None) -> nn.Module:
        """Return a TaskModel. `weights_dir` None: never look for pretrained weights (a checkpoint will be loaded)."""
        ...


class EpochMetrics(Protocol):
    """A torchmetrics collection over one epoch."""

    def update(self, outputs: Outputs, targets: Any) -> None:
        """Take a batch."""
        ...

    def compute(self) -> dict[str, Tensor]:
        """Return the metrics of the epoch, without the prefix `val_`."""
        ...

    def reset(self) -> None:
        """Forget everything."""
        ...

    def to(self, device: torch.device) -> Any:
        """Move to a device."""
        ...


class MetricsPart(Protocol):
    """metrics.py: numbers per epoch, per image and over a pool of images."""

    def build_epoch_metrics(self, context: TaskContext) -> EpochMetrics:
        """Return the metrics of `spec.info.epoch_metrics`."""
        ...

    def result_rows(
        self, outputs: ArrayOutputs, rows: Sequence[ImageRecord], context: TaskContext
    ) -> list[dict[str, Any]]:
        """Return the task's fields of results.json for a batch."""
        ...

    def headline_intervals(
        self, results: Sequence[Mapping[str, Any]], context: TaskContext, between_chunks: Callable[[], None]
    ) -> dict[str, Any]:
        """Return `intervals` and, for the headline metrics without one, `not_enough_images` with the reasons;
        `interval_limits`, where the intervals do not cover something that could be there, with a `note` about it.

        `between_chunks` may raise to end the work.
        """
        ...

    def aggregate(self, results: Sequence[Mapping[str, Any]], context: TaskContext) -> dict[str, Any]:
        """Return the task's part of aggregate.json; the engine adds intervals."""
        ...


class ExportPart(Protocol):
    """export.py: named outputs, comparison and post-processing. Torch is not needed here."""

    OUTPUT_NAMES: tuple[str, ...]

    def difference(self, reference: ArrayOutputs, exported: ArrayOutputs, context: TaskContext) -> np.ndarray[Any, Any]:
        """Return the largest difference of each image (float64, shape (batch,)), in units where 1e-4 is negligible."""
        ...

    def agreement(self, reference: ArrayOutputs, exported: ArrayOutputs, context: TaskContext) -> np.ndarray[Any, Any]:
        """Return for each image whether both give the same answer (bool, shape (batch,))."""
        ...

    def output_scales(self, context: TaskContext) -> dict[str, list[float]]:
        """Return what a difference of each number of an output is divided by before it is judged; an output that is
        left out is judged by its largest value."""
        ...

    def decode(self, outputs: ArrayOutputs, context: TaskContext) -> list[dict[str, Any]]:
        """Return for each image what a client wants to see, with the field names of results.json."""
        ...
