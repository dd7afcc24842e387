"""One or several numbers for the whole image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.annotations.base import NO_CLASS, AnnotationKind, AnnotationRecord, Annotations, numbers_of
from app.annotations.results import ResultFields, Row, ValueResult, name_value, say_values
from app.number_text import format_number, format_value

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
    example = "Examples: ripeness, weight, age, the angle of a dial"
    icon = "M4 17a8 8 0 1116 0M12 17l4-6M7 17h.01M17 17h.01"
    explains = "value"
    result_fields = ResultFields(sort_paths={"error": "max_absolute_error"})
    has_many_classes = False
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

    def say(self, annotation: Mapping[str, Any], value_names: Sequence[str]) -> list[str]:
        """Return each value under its name."""
        values = annotation["values"]
        names = value_names if len(value_names) == len(values) else [f"Value {n}" for n in range(1, len(values) + 1)]
        return [f"{name}: {format_value(value)}" for name, value in zip(names, values, strict=True)]

    def name_truth(self, truth: Any) -> str:
        """Return what the values of an image are called."""
        return "True value" if isinstance(truth, list) and len(truth) == 1 else "True values"

    def say_answer(self, answer: Any) -> str:
        """Return the values."""
        return say_values(answer) if isinstance(answer, list) else str(answer)

    def summarize_result(self, row: Row, value_names: Sequence[str]) -> tuple[str, str]:
        """Return truth and prediction of the value that is furthest off, and its error."""
        errors = row["absolute_error"]
        index = errors.index(max(errors))
        label = f"{name_value(index, value_names)} " if len(errors) > 1 else ""
        truth, prediction = row["ground_truth"][index], row["prediction"][index]
        words = f"{label}{format_value(truth, prediction)} → {format_value(prediction, truth)}"
        return words, f"error {format_number(errors[index])}"

    def list_values(self, row: Row, value_names: Sequence[str]) -> list[ValueResult]:
        """Return each value with its prediction and the difference."""
        return [
            ValueResult(
                name=name_value(index, value_names) if value_names or len(row["ground_truth"]) > 1 else "Value",
                truth=format_value(truth, row["prediction"][index]),
                prediction=format_value(row["prediction"][index], truth),
                error=f"{'+' if row['error'][index] > 0 else ''}{format_number(row['error'][index])}",
            )
            for index, truth in enumerate(row["ground_truth"])
        ]

    def claims_row(self, row: Row) -> bool:
        """Return whether the truth is a list of numbers; that of a row with `predictions` is a list of objects."""
        return isinstance(row.get("ground_truth"), list) and "predictions" not in row

    def find_row_fault(self, row: Row) -> str:
        """Return whether there is not one predicted number for each value."""
        lists: list[Any] = [row["ground_truth"], row.get("prediction"), row.get("absolute_error", row["ground_truth"])]
        are_alike = all(isinstance(values, list) and len(values) == len(lists[0]) for values in lists)
        if are_alike and all(isinstance(value, int | float) for values in lists for value in values):
            return ""
        return "prediction: it is not one number for each value"


KIND = ValuesKind()
