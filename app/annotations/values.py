"""One or several numbers for the whole image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.annotations.base import NO_CLASS, AnnotationKind, AnnotationRecord, Annotations, numbers_of

MAX_BINS = 10
IMAGES_PER_BIN = 10


class Value(AnnotationRecord, tag="value", frozen=True):
    """One or several numbers for the whole image."""

    values: list[float]

    @property
    def numbers(self) -> Sequence[float]:
        """The numbers, in the order of the dataset's `value_names`."""
        return self.values


class ValuesKind(AnnotationKind):
    """Images with numbers."""

    id = "values"
    record = Value
    formats = ("csv",)
    table_target = "numbers"

    def make_of_numbers(self, numbers: Sequence[float]) -> Value:
        """Return the values."""
        return Value(list(numbers))

    def stratify(self, images: Sequence[Annotations]) -> list[str]:
        """Return a bin for each image, all about equally full; several values are ordered by the mean of their
        ranks."""
        rows = [numbers_of(annotations) for annotations in images]
        width = max((len(row) for row in rows), default=0)
        if width == 0:
            return [NO_CLASS] * len(rows)
        numbers = np.array([row if len(row) == width else [np.nan] * width for row in rows], dtype=np.float64)
        ranks = np.stack([np.unique(column, return_inverse=True)[1] for column in numbers.T]).mean(axis=0)
        num_bins = max(1, min(MAX_BINS, len(rows) // IMAGES_PER_BIN))
        edges = np.unique(np.quantile(ranks, np.linspace(0.0, 1.0, num_bins + 1)[1:-1]))
        return [str(index) for index in np.searchsorted(edges, ranks, side="right")]

    def find_fault(self, annotations: Sequence[Any], classes: Sequence[str], value_names: Sequence[str]) -> str:
        """Return how many numbers an image has when the others have another number of them."""
        width = len(value_names)
        for annotation in annotations:
            width = width or len(annotation.values)
            if len(annotation.values) != width:
                return f"annotations.values: {len(annotation.values)} numbers, and there are {width} values"
        return ""


KIND = ValuesKind()
