"""Finds evaluated images that the model saw in training, and measures it again without them. Knows no metric."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from app.datasets.table import Annotation, DatasetTable, ImageRecord
from app.schemas.leaks import EvaluatedWithout, EvaluationLeaks, IdenticalEvaluated

Rows: TypeAlias = "Sequence[Mapping[str, Any]]"


def measure_leaks(
    table: DatasetTable, trained_splits: Sequence[str], results: Rows, measure: Callable[[Rows], EvaluatedWithout]
) -> EvaluationLeaks:
    """Return how many results are of images that training used, as such or as a copy.

    `trained_splits` are the splits whose training images the run and those it was forked from have seen; one that was
    deleted since is passed over. `measure` gives the headline metrics of the results that are left.
    """
    trained = find_trained(table, trained_splits)
    labels = _collect_labels(trained.values())
    images = {image.filename: image for image in table.images}
    rest: list[Mapping[str, Any]] = []
    copies: list[Mapping[str, Any]] = []
    for row in results:
        image = images[row["filename"]]
        if image.filename in trained:
            continue
        (copies if image.content_hash in labels else rest).append(row)
    other = sum(
        _has_other_label(images[row["filename"]], labels[images[row["filename"]].content_hash]) for row in copies
    )
    without = None
    if copies:
        without = measure(rest) if rest else EvaluatedWithout(num_images=0)
    return EvaluationLeaks(
        num_images=len(results),
        trained_on=len(results) - len(copies) - len(rest),
        identical=IdenticalEvaluated(images=len(copies), other_label=other, without=without),
    )


def find_trained(table: DatasetTable, splits: Sequence[str]) -> dict[str, ImageRecord]:
    """Return the training images of splits by file name."""
    columns = [table.split_names.index(name) for name in splits if name in table.split_names]
    return {
        image.filename: image for image in table.images if any(image.split[column] == "train" for column in columns)
    }


def _collect_labels(images: Iterable[ImageRecord]) -> dict[str, list[list[Annotation]]]:
    """Return the annotations of the training images by content; images without a hash are left out."""
    labels: defaultdict[str, list[list[Annotation]]] = defaultdict(list)
    for image in images:
        if image.content_hash:
            labels[image.content_hash].append(image.annotations)
    return dict(labels)


def _has_other_label(image: ImageRecord, labels: Sequence[Sequence[Annotation]]) -> bool:
    return all(annotations != image.annotations for annotations in labels)
