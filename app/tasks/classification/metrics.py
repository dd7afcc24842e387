"""Numbers of a classifier: per epoch, per image, and over a pool of images.

Macro averages run over the classes that occur in the truth or the predictions, as scikit-learn's do by default, and a
quotient without a denominator counts as 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MulticlassPrecision,
    MulticlassRecall,
)

from app.datasets.table import ImageRecord, describe_name
from app.plurals import count
from app.schemas.job_context import JobFailure
from app.tasks.base import TaskContext
from app.tasks.classification.calibration import measure_calibration
from app.tasks.classification.data import read_label
from app.tasks.classification.export import decode
from app.tasks.proportions import MAX_UNSEEN_SHARE, macro_intervals, share_interval

if TYPE_CHECKING:
    from app.datasets.placement import Placement
    from app.tasks.base import ArrayOutputs, Outputs

TOP_K = (1, 3, 5)
MACRO_METRICS = ("f1_macro", "precision_macro", "recall_macro")

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class ClassificationEpochMetrics(nn.Module):
    """Metrics over one epoch, from outputs and class ids (batch,) or shares of classes (batch, classes)."""

    def __init__(self, num_classes: int, watched_class: int | None = None) -> None:
        """`watched_class` is the one whose own recall is measured as well."""
        settings: dict[str, Any] = {"num_classes": max(2, num_classes), "validate_args": False}
        super().__init__()
        self.collection = MetricCollection(
            {
                "accuracy": MulticlassAccuracy(average="micro", **settings),
                "f1": MulticlassF1Score(average="macro", **settings),
                "precision": MulticlassPrecision(average="macro", **settings),
                "recall": MulticlassRecall(average="macro", **settings),
            }
        )
        self.watched_class = watched_class
        self.watched = None if watched_class is None else MulticlassRecall(average="none", **settings)

    def update(self, outputs: Outputs, targets: Tensor) -> None:
        """Take a batch."""
        truth = targets.argmax(dim=1) if targets.is_floating_point() else targets
        self.collection.update(outputs["probabilities"].argmax(dim=1), truth)
        if self.watched is not None:
            self.watched.update(outputs["probabilities"].argmax(dim=1), truth)

    def compute(self) -> dict[str, Tensor]:
        """Return accuracy, f1, precision and recall; class_recall where a class is watched."""
        figures: dict[str, Tensor] = self.collection.compute()
        if self.watched is not None:
            figures["class_recall"] = self.watched.compute()[self.watched_class]
        return figures

    def reset(self) -> None:
        """Forget everything."""
        self.collection.reset()
        if self.watched is not None:
            self.watched.reset()


def build_epoch_metrics(context: TaskContext) -> ClassificationEpochMetrics:
    """Return the metrics of an epoch."""
    settings = context.hyperparameters
    is_watched = settings.get("checkpoint_metric") == "val_class_recall"
    watched = context.classes.index(settings["checkpoint_class"]) if is_watched else None
    return ClassificationEpochMetrics(len(context.classes), watched)


def result_rows(
    outputs: ArrayOutputs, rows: Sequence[ImageRecord], places: Sequence[Placement], context: TaskContext
) -> list[dict[str, Any]]:
    """Return truth, prediction, probabilities and `loss`, -log of the probability of the truth, of each image.

    Raises JobFailure when the model answers with something that is not a finite number.
    """
    logits = outputs["logits"].astype(np.float64)
    if not np.isfinite(logits).all():
        worst = describe_name(rows[int(np.argmin(np.isfinite(logits).all(axis=1)))])
        msg = f"The model gives no finite numbers for {worst}: its training has diverged."
        raise JobFailure(msg)
    highest = logits.max(axis=1)
    log_sums = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))
    results = []
    for index, (row, decoded) in enumerate(zip(rows, decode(outputs, places, context), strict=True)):
        label = read_label(row, context.classes)
        results.append(
            {
                "ground_truth": {"class_id": label.class_id, "class_name": label.class_name},
                **decoded,
                "correct": decoded["prediction"]["class_id"] == label.class_id,
                "loss": max(0.0, float(log_sums[index] - logits[index, label.class_id])),
            }
        )
    return results


def headline_intervals(
    results: Sequence[Mapping[str, Any]], context: TaskContext, between_chunks: Callable[[], None]
) -> dict[str, Any]:
    """Return `intervals` and `not_enough_images`.

    A macro average is one over all classes of the dataset, whichever of them these images happen to show; it has no
    interval when more than a quarter of them neither occur nor are predicted.
    """
    truth, predicted = _read_classes(results)
    confusion = _count_confusion(truth, predicted, len(context.classes)).astype(np.float64)
    between_chunks()
    intervals = {"accuracy": share_interval(float(np.trace(confusion)), float(len(truth)))}
    is_absent = confusion.sum(axis=0) + confusion.sum(axis=1) == 0
    if is_absent.mean() <= MAX_UNSEEN_SHARE:
        macro = macro_intervals(confusion)
        return {"intervals": intervals | {name: macro[name] for name in MACRO_METRICS}, "not_enough_images": {}}
    why = _explain_absence(int(is_absent.sum()), len(is_absent))
    return {"intervals": intervals, "not_enough_images": dict.fromkeys(MACRO_METRICS, why)}


def _explain_absence(num_absent: int, num_classes: int) -> str:
    """Return why an average over all classes has no interval, although that over the others has a value."""
    verb, them = ("has", "it") if num_absent == 1 else ("have", "them")
    return (
        f"{num_absent:,} of {count(num_classes, 'class', 'classes')} {verb} no image here. The average is over the "
        f"other classes; how well the model does on {them} is unknown."
    )


def aggregate(results: Sequence[Mapping[str, Any]], context: TaskContext) -> dict[str, Any]:
    """Return the headline metrics, the confusion matrix, and figures per class, per rank and per confidence.

    Raises ValueError when there are no results.
    """
    if not results:
        msg = "There are no results to aggregate."
        raise ValueError(msg)
    truth, predicted = _read_classes(results)
    num_classes = len(context.classes)
    confusion = _count_confusion(truth, predicted, num_classes)
    probabilities = np.array([[row["probabilities"][name] for name in context.classes] for row in results])
    confidence = np.array([row["prediction"]["confidence"] for row in results])
    return {
        **_headline(confusion),
        "num_images": len(results),
        "classes": list(context.classes),
        "confusion_matrix": confusion.tolist(),
        "per_class": _describe_classes(confusion, context.classes),
        "top_k": _measure_top_k(probabilities, truth),
        "calibration": measure_calibration(confidence, truth == predicted),
    }


def _read_classes(results: Sequence[Mapping[str, Any]]) -> tuple[Integers, Integers]:
    truth = np.array([row["ground_truth"]["class_id"] for row in results], dtype=np.int64)
    predicted = np.array([row["prediction"]["class_id"] for row in results], dtype=np.int64)
    return truth, predicted


def _count_confusion(truth: Integers, predicted: Integers, num_classes: int) -> Integers:
    cells = np.bincount(truth * num_classes + predicted, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


def _headline(confusion: Integers) -> dict[str, float]:
    hits, images, predictions = _count(confusion)
    occurring = max(int(((images + predictions) > 0).sum()), 1)
    precision, recall, f1 = _score(hits, images, predictions)
    return {
        "accuracy": float(hits.sum() / images.sum()),
        "f1_macro": float(f1.sum() / occurring),
        "precision_macro": float(precision.sum() / occurring),
        "recall_macro": float(recall.sum() / occurring),
    }


def _count(confusion: Integers) -> tuple[Floats, Floats, Floats]:
    """Return hits, images and predictions of each class."""
    counted = confusion.astype(np.float64)
    return np.diag(counted).copy(), counted.sum(axis=1), counted.sum(axis=0)


def _score(hits: Floats, images: Floats, predictions: Floats) -> tuple[Floats, Floats, Floats]:
    # Where a denominator is 0, so are the hits: dividing by 1 gives the 0 that is wanted.
    precision = hits / np.maximum(predictions, 1)
    recall = hits / np.maximum(images, 1)
    return precision, recall, 2 * hits / np.maximum(images + predictions, 1)


def _describe_classes(confusion: Integers, classes: Sequence[str]) -> dict[str, dict[str, float | int]]:
    support = confusion.sum(axis=1)
    scores = _score(*_count(confusion))
    return {
        name: {
            "precision": float(scores[0][index]),
            "recall": float(scores[1][index]),
            "f1": float(scores[2][index]),
            "support": int(support[index]),
        }
        for index, name in enumerate(classes)
    }


def _measure_top_k(probabilities: Floats, truth: Integers) -> dict[str, float]:
    """Return the share of images whose class is among the k most probable ones; of equal ones the first counts."""
    own = probabilities[np.arange(len(truth)), truth][:, None]
    is_before = np.arange(probabilities.shape[1])[None, :] < truth[:, None]
    rank = ((probabilities > own) | ((probabilities == own) & is_before)).sum(axis=1)
    return {str(k): float((rank < k).mean()) for k in TOP_K if k <= probabilities.shape[1]}
