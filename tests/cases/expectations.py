"""What is right for each source of this folder: the request, and what the dry run and the import have to say.

A source may be read several times, with other documents or options; the README of its folder says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Reading:
    """One way to read a source.

    `says` are pieces of text that must be in a problem or note of the report and of the import. `values` are those of
    the images in the order of their names in the source. `num_lost` None: not part of the case.
    """

    case: str
    num_images: int
    classes: Mapping[str, int] = field(default_factory=dict)
    task: str = "classification"
    source: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    splits: Mapping[str, int] = field(default_factory=dict)
    values: tuple[tuple[float, ...], ...] = ()
    value_names: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    num_lost: int | None = 0

    @property
    def name(self) -> str:
        """Name of the test."""
        document = self.options.get("annotation_file") or self.source
        others = "-".join(str(value) for key, value in self.options.items() if key != "annotation_file")
        return "-".join(part for part in (self.case, self.task, document, others) if part)


def _document(name: str, **options: Any) -> dict[str, Any]:
    return {"annotation_file": name, **options}


READINGS: tuple[Reading, ...] = (
    Reading("annotations-inside-subsets", 10, {"apple": 5, "pear": 5}, splits={"train": 6, "val": 2, "test": 2}),
    Reading(
        "class-missing-from-train",
        14,
        {"a": 5, "b": 5, "c": 2, "d": 2},
        source="only-in-val",
        splits={"train": 6, "val": 6, "test": 2},
        says=("'c'", "'d'", "no training image"),
    ),
    Reading(
        "class-missing-from-train",
        12,
        {"Cat": 3, "Dog": 3, "cat": 3, "dog": 3},
        source="case-twins",
        splits={"train": 6, "val": 6},
        says=("'Cat'", "'cat'", "no training image"),
    ),
    *(
        Reading("coco-loose-types", 6, classes, options=_document(name))
        for name, classes in (
            ("number_names.json", {"1": 3, "2": 3}),
            ("string_ids.json", {"cat": 3, "dog": 3}),
            ("float_ids.json", {"cat": 3, "dog": 3}),
        )
    ),
    Reading("float-images", 5, {"low": 3, "high": 2}, says=("scale",)),
    Reading("images-in-data-folder", 6, {"cat": 3, "dog": 3}),
    Reading("images-in-data-folder", 6, {"cat": 3, "dog": 3}, options=_document("labels.json")),
    Reading("images-in-data-folder", 6, {"cat": 3, "dog": 3}, options=_document("labels.csv")),
    Reading("names-without-ending", 8, {"beagle": 4, "poodle": 4}),
    Reading(
        "nested-class-folders",
        6,
        {"cat": 3, "dog": 3},
        num_lost=7,
        says=("dog/cat", "dog/batch1", "dog/batch2", "bird/batch1"),
    ),
    Reading(
        "nested-class-folders",
        13,
        {"bird": 2, "cat": 3, "dog": 8},
        options={"nested_folders": "into_class"},
        says=("dog/cat",),
    ),
    Reading("one-hot-table", 6, {"circle": 2, "square": 2, "star": 2}, num_lost=2, says=("row 8", "row 9")),
    *(
        Reading("paths-from-label-tools", 8, {"raw": 4, "ripe": 4}, options=_document(name))
        for name in ("choices.csv", "result.json", "windows.csv")
    ),
    Reading(
        "regression-large-offset",
        24,
        task="regression",
        values=tuple((1_700_000_000.0 + number,) for number in range(24)),
    ),
    Reading(
        "same-names-in-folders",
        9,
        task="regression",
        values=tuple((float(number),) for number in (0, 1, 2, 10, 11, 12, 20, 21, 22)),
    ),
    Reading("stray-documents", 6, {"bad": 3, "good": 3}, says=("class_to_idx.json", "results.csv")),
    Reading(
        "subset-column", 8, {"a": 4, "b": 4}, options=_document("labels.csv"), splits={"train": 4, "val": 2, "test": 2}
    ),
    Reading("subset-column", 8, {"a": 4, "b": 4}, options=_document("valid.csv"), splits={"train": 6, "val": 2}),
    Reading("table-from-spreadsheet", 6, task="regression", values=tuple((number + 0.5,) for number in range(6))),
    Reading("table-inside-subsets", 9, {"cold": 5, "warm": 4}, splits={"train": 6, "val": 3}),
    Reading(
        "table-inside-subsets",
        9,
        task="regression",
        splits={"train": 6, "val": 3},
        values=tuple((number,) for number in (0.0, 1.5, 3.0, 4.5, 6.0, 7.5, 0.0, 1.5, 3.0)),
    ),
    Reading("table-with-index-column", 6, {"cat": 3, "dog": 3}, options=_document("pets.csv")),
    Reading("table-with-index-column", 6, {"cat": 3, "dog": 3}, options=_document("pets_trailing.csv")),
    Reading(
        "table-with-index-column",
        6,
        task="regression",
        options=_document("ages.csv"),
        values=tuple((number,) for number in (1.0, 4.0, 7.0, 10.0, 13.0, 16.0)),
    ),
    Reading("transparent-drawings", 8, {"bar": 4, "cross": 4}),
    Reading(
        "two-numbers-per-image",
        6,
        task="regression",
        values=((2, 3), (3, 4), (4, 5), (5, 6), (6, 3), (2, 4)),
        value_names=("x", "y"),
    ),
    Reading("unicode-names", 6, {"Birnen": 3, "Äpfel": 3}, source="folders.zip"),
    Reading("unicode-names", 4, {"a": 2, "b": 2}, source="table.zip"),
)

NUM_CASES = 19
