"""The hyperparameters that every task shares, as one typed object, and how stored ones are read. No torch.

A mapping is parsed once, where a job or a request comes in, into the class of the task; everything behind it reads
attributes. Files and requests hold them as JSON objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar, cast

from pydantic import Field

from app.schemas.common import FrozenModel
from app.schemas.form_hints import form_hint

AUTO = "auto"
"""Checkpoint metric that is chosen by the training images."""
STOPPING_METRIC_HINT = form_hint("Training", unless={"early_stopping_patience": (0,)})


class Hyperparameters(FrozenModel):
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

    @property
    def sampling_order(self) -> Literal["shuffle", "balanced"]:
        """In which order an epoch shows the training images; a task that offers a choice overrides it."""
        return "shuffle"

    @property
    def watched_class(self) -> str | None:
        """The class whose own metric decides the best checkpoint, None for a metric over all classes."""
        return None


H = TypeVar("H", bound=Hyperparameters)


def read_stored(kind: type[H], stored: Mapping[str, Any]) -> H:
    """Return the hyperparameters of a checkpoint, which an earlier or later version may have written.

    Missing keys take their defaults and unknown ones are left out. Raises ValidationError for values out of range.
    """
    return kind.model_validate(_select_known(kind, stored))


def trust_stored(kind: type[H], stored: Mapping[str, Any]) -> H:
    """Return the same without looking at the values, for pages that must open whatever a record holds."""
    return cast("H", kind.model_construct(**_select_known(kind, stored)))


def _select_known(kind: type[H], stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in stored.items() if name in kind.model_fields}
