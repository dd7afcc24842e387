"""What regression is for everything that knows no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.models.architectures import ARCHITECTURES
from app.models.imagenet import IMAGENET_MEAN, IMAGENET_STD
from app.schemas.form_hints import form_hint
from app.schemas.tasks import AugmentationEntry, MetricSpec, ResultView, TaskInfo
from app.tasks.base import STOPPING_METRIC_HINT, Hyperparameters, TaskSpec

LOSSES = ("mse", "l1", "smooth_l1")

_NORMALIZE = AugmentationEntry(name="Normalize", params={"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)})


class RegressionHyperparameters(Hyperparameters):
    """Hyperparameters of regression."""

    loss: Literal["mse", "l1", "smooth_l1"] = Field(
        "mse",
        description="What training minimises, on standardised values; l1 and smooth_l1 forgive outliers.",
        json_schema_extra=form_hint("Loss"),
    )
    early_stopping_metric: Literal["val_loss", "val_mae", "val_mse", "val_rmse", "val_r2"] = Field(
        "val_loss", description="Metric that early stopping watches.", json_schema_extra=STOPPING_METRIC_HINT
    )


SPEC = TaskSpec(
    info=TaskInfo(
        id="regression",
        title="Regression",
        description="Each image has one or several numbers.",
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
    result_view=ResultView(sort_paths={"error": "max_absolute_error"}),
)
