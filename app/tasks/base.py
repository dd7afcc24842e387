"""What a task is. This module is torch-free at run time; the protocols below say what the torch side must offer.

A task is a folder `app/tasks/<id>/` with seven modules of fixed names:

- `spec.py`     `SPEC: TaskSpec`                                                       (no torch)
- `data.py`     `fit_statistics`, `encode_target`, `collate_targets`,
                `kept_target`, `move_targets`                                                (DataPart)
- `module.py`   `build_model`                                                          (ModulePart)
- `metrics.py`  `build_epoch_metrics`, `result_rows`, `headline_intervals`, `aggregate` (MetricsPart)
- `report.py`   `build_parts`                                                          (ReportBuilder, no torch)
- `answer.py`   `decode`, `describe`, `list_cells`                                      (AnswerPart)
- `export.py`   `OUTPUT_NAMES`, `difference`, `agreement`, `output_scales`, `decode`   (ExportPart)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from app.annotations.base import AnnotationKind
from app.annotations.registry import get_kind
from app.datasets.profile import SplitProfile
from app.datasets.samples import Sample
from app.datasets.table import ImageRecord
from app.schemas.experiments import ModelSettings
from app.schemas.hyperparameters import AUTO, H, Hyperparameters
from app.schemas.parts import AnyReportPart
from app.schemas.tasks import MetricSpec, TaskInfo
from app.tasks.metric_choice import MetricChoice

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from app.datasets.augmenting.maps import MoveTargets
    from app.datasets.placement import Placement

    Outputs = dict[str, Tensor]
    ArrayOutputs = dict[str, np.ndarray[Any, Any]]


LOSS_TITLES = {"val_loss": "Validation loss", "train_loss": "Training loss"}
LOSSES = tuple(LOSS_TITLES)


@dataclass(frozen=True)
class Capabilities:
    """What the models of a task can do. The engines and the contract suite ask here, never by name or by `hasattr`."""

    learns_by: Literal["gradient", "fill"] = "gradient"
    """fill: one pass over the training images fills a memory (`TaskModel.fill`)."""
    has_batch_axis: bool = True
    """Whether the first axis of every output is the batch. Detections, whose number differs by image, have none."""
    loss_inside_forward: bool = False
    """Whether a forward pass in training mode returns the loss itself, as torchvision's detectors do."""
    allows_no_annotation: bool = False
    """Whether an image without annotation can be trained on, as one that shows nothing."""
    can_mix: bool = False
    """Whether `loss` takes the soft targets of MixUp and CutMix."""
    can_extract_features: bool = False
    """Whether the model is a FeatureModel, whose head can learn from features that were computed once."""
    heat_map: Literal["gradient", "activation", "own", "none"] = "none"
    """How a heat map is made: from gradients (Grad-CAM), from activations alone, by the task itself, or not at all."""


@dataclass(frozen=True)
class TaskSpec:
    """The torch-free face of a task."""

    info: TaskInfo
    hyperparameters: type[Hyperparameters]
    sample: Sample | None = None
    """Images to begin with; None where none ship with what is installed."""
    capabilities: Capabilities = Capabilities()
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

    def capabilities_of(self, architecture: str) -> Capabilities:
        """Return what an architecture can do: what the task can, and how this one learns.

        One that the task does not list counts as the task's usual one.
        """
        known = {spec.id: spec.learns_by for spec in self.info.architectures}
        return replace(self.capabilities, learns_by=known.get(architecture, self.capabilities.learns_by))

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
    `masks_dir` is where the masks of the dataset lie on this machine. Checkpoints leave it out, so it is None after
    loading one.
    """

    task: str
    classes: tuple[str, ...]
    statistics: Mapping[str, Any]
    model: ModelSettings
    hyperparameters: Hyperparameters
    image_size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    masks_dir: Path | None = None

    def hyperparameters_as(self, kind: type[H]) -> H:
        """Return the hyperparameters as the task's own class; raises TypeError when they are another task's."""
        if not isinstance(self.hyperparameters, kind):
            msg = f"The context of {self.task} has {type(self.hyperparameters).__name__}, not {kind.__name__}."
            raise TypeError(msg)
        return self.hyperparameters


@dataclass(frozen=True)
class TargetPlanes:
    """Targets that the cache keeps beside the pixels: uint8 (channels, height, width), of the size of the input.

    Raise `version` when the task encodes them differently; cached ones of other versions are not read.
    """

    channels: int
    version: int = 1


class DataPart(Protocol):
    """data.py: annotations to tensors."""

    def fit_statistics(self, rows: Sequence[ImageRecord], classes: Sequence[str]) -> dict[str, Any]:
        """Return what has to be learned from the training images before training, as plain JSON data."""
        ...

    def encode_target(self, row: ImageRecord, place: Placement, context: TaskContext) -> Any:
        """Return the target of one image as a tensor or a dictionary of tensors, in pixels of `place.input_size`.

        That is larger than the model's input where training images are kept larger for a strong crop.
        """
        ...

    def collate_targets(self, targets: Sequence[Any]) -> Any:
        """Return the targets of a batch."""
        ...

    @property
    def kept_target(self) -> TargetPlanes | None:
        """The shape of targets that are encoded once and cached, because encoding is slow, such as reading a mask file.

        None: `encode_target` is called each time that an image is read.
        """
        ...

    @property
    def move_targets(self) -> MoveTargets | None:
        """Moves the targets of a batch as augmentation moved its pixels; None for targets that have no position.

        A function of (targets, maps, size): what `collate_targets` returned, on the device; where the pixels of each
        image went, which `app/datasets/augmenting/moving.py` applies to boxes, polygons and masks; (height, width) of
        the augmented images. With None the engine computes no maps.
        """
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


class MetricAccumulator(Protocol):
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

    def build_epoch_metrics(self, context: TaskContext) -> MetricAccumulator:
        """Return the metrics of `spec.info.epoch_metrics`."""
        ...

    def result_rows(
        self, outputs: ArrayOutputs, rows: Sequence[ImageRecord], places: Sequence[Placement], context: TaskContext
    ) -> list[dict[str, Any]]:
        """Return the task's fields of results.json for a batch; positions are in pixels of the original image.

        `places` says where each image lies in the input that the outputs belong to.
        """
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


class ReportBuilder(Protocol):
    """report.py: the parts of an evaluation's report. The web process uses it as well, so it imports no torch."""

    def build_parts(self, aggregate: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> list[AnyReportPart]:
        """Return the parts in the order of the page, from the task's own keys of aggregate.json and the result rows.

        Keys that are missing, as in files of earlier versions, leave out the part that needs them.
        """
        ...


class AnswerPart(Protocol):
    """answer.py: outputs to names and figures. NumPy and the standard library only: bundles hold its functions as they
    are. `metadata` is the export's metadata; of it `classes` is there whoever asks."""

    __file__: str | None

    def decode(self, outputs: ArrayOutputs, metadata: dict[str, Any]) -> list[dict[str, Any]]:
        """Return for each image what a client wants to see, with the field names of results.json."""
        ...

    def describe(self, answer: dict[str, Any]) -> str:
        """Return the answer for an image as a short text."""
        ...

    def list_cells(self, answer: dict[str, Any], metadata: dict[str, Any]) -> list[tuple[str, Any]]:
        """Return the answer for an image as the cells of a table, each under the name of its column."""
        ...


class ExportPart(Protocol):
    """export.py: named outputs, comparison and post-processing. Torch is not needed here."""

    OUTPUT_NAMES: tuple[str, ...]

    def difference(self, reference: ArrayOutputs, exported: ArrayOutputs, context: TaskContext) -> np.ndarray[Any, Any]:
        """Return the largest difference of each image (float64, shape (batch,)), in units where 1e-4 is negligible.

        Raises ValueError for outputs that cannot be compared.
        """
        ...

    def agreement(self, reference: ArrayOutputs, exported: ArrayOutputs, context: TaskContext) -> np.ndarray[Any, Any]:
        """Return for each image whether both give the same answer (bool, shape (batch,))."""
        ...

    def output_scales(self, context: TaskContext) -> dict[str, list[float]]:
        """Return what a difference of each number of an output is divided by before it is judged; an output that is
        left out is judged by its largest value."""
        ...

    def decode(self, outputs: ArrayOutputs, places: Sequence[Placement], context: TaskContext) -> list[dict[str, Any]]:
        """Return for each image what a client wants to see, with the field names of results.json.

        Positions are in pixels of the original image, which `places` converts to.
        """
        ...
