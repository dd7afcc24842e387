"""What classification is for everything that knows no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

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

LOSSES = ("cross_entropy", "focal", "label_smoothing_cross_entropy")
SYNONYMS = {
    "accuracy": "val_accuracy",
    "f1": "val_f1",
    "f1_macro": "val_f1",
    "macro_f1": "val_f1",
    "precision": "val_precision",
    "recall": "val_recall",
    "recall_macro": "val_recall",
    "balanced_accuracy": "val_recall",
    "val_balanced_accuracy": "val_recall",
    "class_recall": "val_class_recall",
    "loss": "val_loss",
}
"""Other names of the metrics of an epoch."""

_NORMALIZE = AugmentationEntry(name="Normalize", params={"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)})


class ClassificationHyperparameters(Hyperparameters):
    """Hyperparameters of classification."""

    loss: Literal["cross_entropy", "focal", "label_smoothing_cross_entropy"] = Field(
        "cross_entropy",
        description="Loss function. Focal gives more weight to difficult images.",
        json_schema_extra=form_hint("Loss"),
    )
    label_smoothing: float = Field(
        0.1,
        ge=0.0,
        le=0.5,
        description="Share of each label that is distributed over all classes.",
        json_schema_extra=form_hint("Loss", {"loss": ("label_smoothing_cross_entropy",)}),
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none",
        description="balanced gives images of rare classes more weight in the loss.",
        json_schema_extra=form_hint("Loss"),
    )
    sampler: Literal["shuffle", "balanced"] = Field(
        "shuffle",
        description="“balanced” uses images of every class equally often.",
        json_schema_extra=form_hint("Images"),
    )
    checkpoint_metric: Literal[
        "auto",
        "val_accuracy",
        "val_f1",
        "val_precision",
        "val_recall",
        "val_class_recall",
        "val_loss",
        "train_loss",
    ] = Field(
        "auto",
        description="Metric used to choose the best epoch. auto: accuracy, or F1 (macro) if one class has at least "
        "four times the training images of another. Recall (macro) is also called balanced accuracy.",
        json_schema_extra=form_hint("Training"),
    )
    checkpoint_class: str = Field(
        "",
        max_length=200,
        description="Class whose recall is used to choose the best epoch.",
        json_schema_extra=form_hint("Training", {"checkpoint_metric": ("val_class_recall",)}),
    )
    early_stopping_metric: Literal["val_loss", "val_accuracy", "val_f1", "val_precision", "val_recall"] = Field(
        "val_loss", description="Metric used for early stopping.", json_schema_extra=STOPPING_METRIC_HINT
    )

    @property
    def sampling_order(self) -> Literal["shuffle", "balanced"]:
        """As chosen by `sampler`."""
        return self.sampler

    @property
    def watched_class(self) -> str | None:
        """The checkpoint class, where its recall is the checkpoint metric."""
        return self.checkpoint_class if self.checkpoint_metric == "val_class_recall" else None

    @field_validator("checkpoint_metric", mode="before")
    @classmethod
    def _read_synonym(cls, value: Any) -> Any:
        return SYNONYMS.get(value, value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _require_class(self) -> ClassificationHyperparameters:
        if self.checkpoint_metric == "val_class_recall" and not self.checkpoint_class:
            msg = "Choose the checkpoint class: the class whose recall is used to choose the best epoch."
            raise ValueError(msg)
        return self


def choose_auto(profile: SplitProfile) -> MetricChoice:
    """Return accuracy, or F1 (macro) for unequal classes, where accuracy hardly sees the rare ones."""
    if not profile.is_imbalanced:
        return MetricChoice("val_accuracy", "The classes have similar numbers of training images.")
    reason = f"{_describe_imbalance(profile)} F1 (macro) gives every class the same weight."
    return MetricChoice("val_f1", reason)


def find_metric_warning(metric: str, profile: SplitProfile) -> str:
    """Return what accuracy hides where classes are unequal."""
    if metric != "val_accuracy" or not profile.is_imbalanced:
        return ""
    common, count = profile.class_counts[0]
    share = 100.0 * count / profile.num_images
    return (
        f"{_describe_imbalance(profile)} Always predicting {common!r} has an accuracy of about {share:.0f} % "
        f"on images like these, and the best checkpoint is chosen by accuracy. Choose F1 (macro) or recall (macro) "
        f"as the checkpoint metric, or auto."
    )


def _describe_imbalance(profile: SplitProfile) -> str:
    (common, most), (rare, fewest) = profile.class_counts[0], profile.class_counts[-1]
    return f"The classes are imbalanced: {most:,} training images of {common!r}, {fewest:,} of {rare!r}."


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
            MetricSpec(name="val_recall", title="Recall (macro, balanced accuracy)", direction="max"),
        ),
        headline_metrics=(
            MetricSpec(name="accuracy", title="Accuracy", direction="max"),
            MetricSpec(name="f1_macro", title="F1 (macro)", direction="max"),
            MetricSpec(name="precision_macro", title="Precision (macro)", direction="max"),
            MetricSpec(name="recall_macro", title="Recall (macro)", direction="max"),
        ),
        optional_metrics=(MetricSpec(name="val_class_recall", title="Recall of the chosen class", direction="max"),),
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
    capabilities=Capabilities(can_mix=True, can_extract_features=True, heat_map="gradient"),
    sample=Sample(
        title="Handwritten digits",
        description="1,797 handwritten digits of 8 by 8 pixels, one class per digit.",
        project_name="Sample digits",
        num_images=NUM_DIGITS,
        licence=DIGITS_LICENCE,
        writer="app.datasets.digits:write_digits",
        first_run=DIGITS_RUN,
    ),
    choose_auto=choose_auto,
    find_metric_warning=find_metric_warning,
)
