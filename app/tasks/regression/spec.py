"""What regression is for everything that knows no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from app.datasets.digits import NUM_DIGITS
from app.datasets.profile import SplitProfile
from app.datasets.samples import DIGITS_LICENCE, DIGITS_RUN, Sample
from app.models.architectures import ARCHITECTURES
from app.models.imagenet import IMAGENET_MEAN, IMAGENET_STD
from app.schemas.form_hints import form_hint
from app.schemas.hyperparameters import STOPPING_METRIC_HINT, Hyperparameters
from app.schemas.tasks import AugmentationEntry, MetricSpec, TaskInfo
from app.tasks.base import Capabilities, TaskSpec
from app.tasks.metric_choice import MetricChoice

LOSSES = ("mse", "l1", "smooth_l1")
SYNONYMS = {
    "mae": "val_mae",
    "mse": "val_mse",
    "rmse": "val_rmse",
    "r2": "val_r2",
    "r_squared": "val_r2",
    "loss": "val_loss",
}
"""Other names of the metrics of an epoch."""
_IN_OWN_UNITS = {
    "val_mae": "mean absolute error",
    "val_mse": "mean squared error",
    "val_rmse": "root mean squared error",
}

_NORMALIZE = AugmentationEntry(name="Normalize", params={"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)})


class RegressionHyperparameters(Hyperparameters):
    """Hyperparameters of regression."""

    loss: Literal["mse", "l1", "smooth_l1"] = Field(
        "mse",
        description="Loss function on standardised values. L1 and Smooth L1 are less sensitive to outliers.",
        json_schema_extra=form_hint("Loss"),
    )
    checkpoint_metric: Literal["auto", "val_mae", "val_mse", "val_rmse", "val_r2", "val_loss", "train_loss"] = Field(
        "auto",
        description="Metric used to choose the best epoch. auto: the mean absolute error, or, with several values "
        "per image, the loss, which scales each value by its standard deviation.",
        json_schema_extra=form_hint("Training"),
    )
    early_stopping_metric: Literal["val_loss", "val_mae", "val_mse", "val_rmse", "val_r2"] = Field(
        "val_loss", description="Metric used for early stopping.", json_schema_extra=STOPPING_METRIC_HINT
    )

    @field_validator("checkpoint_metric", mode="before")
    @classmethod
    def _read_synonym(cls, value: Any) -> Any:
        return SYNONYMS.get(value, value) if isinstance(value, str) else value


def choose_auto(profile: SplitProfile) -> MetricChoice:
    """Return the mean absolute error, or for several values what no unit of theirs can dominate."""
    if profile.num_values < 2:
        return MetricChoice("val_mae", "It is the default for a single value.")
    reason = (
        f"Each image has {profile.num_values} values. The loss scales each value by its standard deviation, so the "
        f"value with the largest numbers does not dominate."
    )
    return MetricChoice("val_loss", reason)


def find_metric_warning(metric: str, profile: SplitProfile) -> str:
    """Return what a figure in the values' own units hides where there are several."""
    if profile.num_values < 2 or metric not in _IN_OWN_UNITS:
        return ""
    return (
        f"Each image has {profile.num_values} values, and the {_IN_OWN_UNITS[metric]} averages them in their own "
        f"units, so the value with the largest numbers dominates the choice of the best checkpoint. Choose the "
        f"validation loss or R² as the checkpoint metric, or auto."
    )


SPEC = TaskSpec(
    info=TaskInfo(
        id="regression",
        title="Regression",
        description="Each image has one or more numbers.",
        annotation_kind="values",
        import_formats=("csv",),
        architectures=ARCHITECTURES,
        default_architecture="resnet18",
        losses=LOSSES,
        epoch_metrics=(
            MetricSpec(name="val_mae", title="Mean absolute error", direction="min"),
            MetricSpec(name="val_mse", title="Mean squared error", direction="min"),
            MetricSpec(name="val_rmse", title="Root mean squared error", direction="min"),
            MetricSpec(name="val_r2", title="R²", direction="max"),
        ),
        headline_metrics=(
            MetricSpec(name="mae", title="Mean absolute error", direction="min"),
            MetricSpec(name="mse", title="Mean squared error", direction="min"),
            MetricSpec(name="rmse", title="Root mean squared error", direction="min"),
            MetricSpec(name="r_squared", title="R²", direction="max"),
        ),
        primary_metric="val_mae",
        # Only what hardly ever changes a measured value: flips, turns and crops can.
        default_augmentations={
            "train": (
                AugmentationEntry(name="Resize"),
                AugmentationEntry(name="ColorJitter", params={"brightness": 0.1, "contrast": 0.1}),
                _NORMALIZE,
            ),
            "val": (AugmentationEntry(name="Resize"), _NORMALIZE),
        },
    ),
    hyperparameters=RegressionHyperparameters,
    capabilities=Capabilities(can_extract_features=True, heat_map="gradient"),
    sample=Sample(
        title="Handwritten digits as numbers",
        description="1,797 handwritten digits of 8 by 8 pixels, each with its digit as a number.",
        project_name="Sample digit values",
        num_images=NUM_DIGITS,
        licence=DIGITS_LICENCE,
        writer="app.datasets.digits:write_digit_values",
        first_run=DIGITS_RUN,
    ),
    choose_auto=choose_auto,
    find_metric_warning=find_metric_warning,
)
