"""What classification is for everything that knows no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.models.architectures import ARCHITECTURES
from app.models.imagenet import IMAGENET_MEAN, IMAGENET_STD
from app.schemas.form_hints import form_hint
from app.schemas.tasks import AugmentationEntry, MetricSpec, ResultView, TaskInfo
from app.tasks.base import STOPPING_METRIC_HINT, Hyperparameters, TaskSpec

LOSSES = ("cross_entropy", "focal", "label_smoothing_cross_entropy")

_NORMALIZE = AugmentationEntry(name="Normalize", params={"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)})


class ClassificationHyperparameters(Hyperparameters):
    """Hyperparameters of classification."""

    loss: Literal["cross_entropy", "focal", "label_smoothing_cross_entropy"] = Field(
        "cross_entropy",
        description="What training minimises; focal counts hard images more.",
        json_schema_extra=form_hint("Loss"),
    )
    label_smoothing: float = Field(
        0.1,
        ge=0.0,
        le=0.5,
        description="label_smoothing_cross_entropy: share of the truth spread over all classes.",
        json_schema_extra=form_hint("Loss", {"loss": ("label_smoothing_cross_entropy",)}),
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none",
        description="balanced: an image of a rare class counts more in the loss.",
        json_schema_extra=form_hint("Loss"),
    )
    sampler: Literal["shuffle", "balanced"] = Field(
        "shuffle",
        description="balanced: every class is drawn equally often.",
        json_schema_extra=form_hint("Images"),
    )
    early_stopping_metric: Literal["val_loss", "val_accuracy", "val_f1", "val_precision", "val_recall"] = Field(
        "val_loss", description="Metric that early stopping watches.", json_schema_extra=STOPPING_METRIC_HINT
    )


SPEC = TaskSpec(
    info=TaskInfo(
        id="classification",
        title="Classification",
        description="Each image belongs to one class.",
        annotation_kind="label",
        import_formats=("image_folders", "csv", "coco"),
        architectures=ARCHITECTURES,
        default_architecture="resnet18",
        losses=LOSSES,
        epoch_metrics=(
            MetricSpec(name="val_accuracy", title="Accuracy", direction="max"),
            MetricSpec(name="val_f1", title="F1 (macro)", direction="max"),
            MetricSpec(name="val_precision", title="Precision (macro)", direction="max"),
            MetricSpec(name="val_recall", title="Recall (macro)", direction="max"),
        ),
        headline_metrics=(
            MetricSpec(name="accuracy", title="Accuracy", direction="max"),
            MetricSpec(name="f1_macro", title="F1 (macro)", direction="max"),
            MetricSpec(name="precision_macro", title="Precision (macro)", direction="max"),
            MetricSpec(name="recall_macro", title="Recall (macro)", direction="max"),
        ),
        primary_metric="val_accuracy",
        default_augmentations={
            "train": (
                AugmentationEntry(name="RandomResizedCrop", params={"scale": [0.7, 1.0]}),
                AugmentationEntry(name="RandomHorizontalFlip", params={"p": 0.5}),
                _NORMALIZE,
            ),
            "val": (AugmentationEntry(name="Resize"), _NORMALIZE),
        },
    ),
    hyperparameters=ClassificationHyperparameters,
    result_view=ResultView(
        class_path="ground_truth.class_name",
        predicted_path="prediction.class_name",
        correct_path="correct",
        sort_paths={"confidence": "prediction.confidence", "error": "loss"},
    ),
)
