"""What a split holds, as far as it decides whether a run can succeed: counts, classes, values. No pixels, no torch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.datasets.table import DatasetTable, ImageRecord, describe_name

LARGEST_VALUE = 1e30
"""Errors are squared in float64, which ends at 1.8e308; programs that use an exported model may hold float32."""
FAR_AWAY = 1e4
"""A value is far away when its distance from the median is this many times the spread of the middle half."""
MAX_SAMPLE = 10_000
"""Values that median and spread are read from; sorting a million of them would hold up a page."""
SUBSETS = ("train", "val", "test")


@dataclass(frozen=True)
class FarValue:
    """A value of one image, by its name for messages, that lies far away from the others."""

    name: str
    value: float
    column: int
    low: float
    high: float


@dataclass(frozen=True)
class SplitFacts:
    """What the subsets of a split hold.

    `classes`: images of each class in each subset. `too_large`: names of images with a value that training cannot
    compute with, and the value. `constant_columns`: places of values that are the same in every training image.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[str, Counter[str]] = field(default_factory=dict)
    num_values: int = 0
    value_names: tuple[str, ...] = ()
    too_large: tuple[tuple[str, float], ...] = ()
    far_away: FarValue | None = None
    constant_columns: tuple[int, ...] = ()

    @property
    def num_train(self) -> int:
        """Training images."""
        return self.counts.get("train", 0)

    def name_value(self, place: int) -> str:
        """Return what the value at a place is called in the table that it came from."""
        return self.value_names[place] if place < len(self.value_names) else f"value {place + 1}"

    @property
    def train_classes(self) -> Counter[str]:
        """Training images of each class."""
        return self.classes.get("train", Counter())

    @property
    def unseen_classes(self) -> tuple[str, ...]:
        """Classes of validation and test images that no training image has, in the order of their names."""
        others = {name for subset in SUBSETS[1:] for name in self.classes.get(subset, ())}
        return tuple(sorted(others - set(self.train_classes)))


def read_run_data(table: DatasetTable, index: int) -> SplitFacts:
    """Return what the split at `index` holds; images in no subset do not count."""
    subsets: dict[str, list[ImageRecord]] = {name: [] for name in SUBSETS}
    for image in table.images:
        if image.split[index] in subsets:
            subsets[image.split[index]].append(image)
    annotated = [(row, annotation.numbers) for row in subsets["train"] for annotation in row.annotations]
    values = [(row, numbers) for row, numbers in annotated if numbers]
    columns = list(zip(*(numbers for _, numbers in values), strict=False))
    return SplitFacts(
        counts={name: len(rows) for name, rows in subsets.items()},
        classes={name: _count_classes(rows) for name, rows in subsets.items()},
        num_values=len(columns),
        value_names=tuple(table.value_names),
        too_large=tuple(_find_too_large(row for rows in subsets.values() for row in rows)),
        far_away=find_far_away(lambda place: describe_name(values[place][0]), columns),
        constant_columns=tuple(place for place, column in enumerate(columns) if min(column) == max(column)),
    )


def _count_classes(rows: Sequence[ImageRecord]) -> Counter[str]:
    return Counter(name for row in rows for item in row.annotations if (name := item.class_label) is not None)


def _find_too_large(rows: Iterable[ImageRecord]) -> Iterable[tuple[str, float]]:
    for row in rows:
        for annotation in row.annotations:
            for value in annotation.numbers:
                if not math.isfinite(value) or abs(value) > LARGEST_VALUE:
                    yield describe_name(row), value


def find_far_away(name_of: Callable[[int], str], columns: Sequence[Sequence[float]]) -> FarValue | None:
    """Return the value that is furthest away from the others of its column, None when all are near.

    `name_of` gives the name of the image at a position of the columns.
    """
    found: FarValue | None = None
    furthest = FAR_AWAY
    for place, column in enumerate(columns):
        sample = sorted(column[:: -(-len(column) // MAX_SAMPLE)])
        low, median, high = (sample[min(len(sample) - 1, len(sample) * part // 4)] for part in (1, 2, 3))
        spread = high - low
        if not 0.0 < spread < math.inf:
            continue
        for row in (column.index(min(column)), column.index(max(column))):
            distance = abs(column[row] - median) / spread
            if distance > furthest:
                found, furthest = FarValue(name_of(row), column[row], place, low, high), distance
    return found
