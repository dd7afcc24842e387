"""What the API says of a task: the presentation of its spec."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from app.schemas.common import FrozenModel
from app.schemas.model_settings import ArchitectureSettings, BackboneSettings

Direction = Literal["max", "min"]


class MetricSpec(FrozenModel):
    """A metric, its direction and its title for people."""

    name: str
    title: str
    direction: Direction


class ArchitectureSpec(FrozenModel):
    """A model that can be trained, with what is published about it."""

    id: str
    title: str
    parameters_m: float = Field(description="Parameters in millions, with the published head.")
    published_score: float = Field(description="Published score of the pretrained weights, in percent.")
    published_metric: str
    source: str = Field(description="Where the score was published.")
    licence: str
    profile: Literal["fast", "balanced", "accurate"]
    activation_bytes_per_pixel: float | None = Field(
        None,
        gt=0.0,
        description="Bytes for each pixel of an image that a training step in 32 bit keeps for the backward pass; "
        "None: unknown.",
    )
    default_image_size: int = Field(224, description="Side in pixels that the published weights were trained at.")
    weights_file: str = Field("", description="File in the weight store that the published weights lie in.")
    learns_by: Literal["gradient", "fill"] = Field(
        "gradient", description="fill: one pass over the training images fills a memory, no step is descended."
    )
    settings: SkipJsonSchema[type[ArchitectureSettings]] = Field(
        BackboneSettings, exclude=True, description="Which settings of the model it has; not sent to clients."
    )


class AugmentationEntry(FrozenModel):
    """One transform by its torchvision v2 name, with its parameters."""

    name: str
    params: dict[str, Any] = Field(default_factory=dict)


class TaskInfo(FrozenModel):
    """A task as the API lists it."""

    id: str
    title: str
    description: str
    annotation_kind: str = Field(description="What an image is annotated with, such as label or values.")
    import_formats: tuple[str, ...]
    architectures: tuple[ArchitectureSpec, ...]
    default_architecture: str
    losses: tuple[str, ...]
    epoch_metrics: tuple[MetricSpec, ...]
    optional_metrics: tuple[MetricSpec, ...] = Field(
        (), description="Metrics that an epoch has only when its checkpoint is chosen by them."
    )
    headline_metrics: tuple[MetricSpec, ...]
    primary_metric: str
    default_augmentations: dict[str, tuple[AugmentationEntry, ...]]


class TaskList(FrozenModel):
    """Every task that this installation knows."""

    tasks: list[TaskInfo]


class TaskSchema(FrozenModel):
    """The JSON Schema of a task's hyperparameters."""

    task: str
    hyperparameters: dict[str, Any]
    defaults: dict[str, Any]
