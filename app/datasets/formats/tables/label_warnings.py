"""Warns of labels in a table that may be no classes: several of them in one cell, or measured numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.datasets.formats.base import shorten
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.tables.rows import is_number

_SEPARATORS = ("|", ";", ",", "+", "&", " ")
_MIN_NUMBERS = 10
_MAX_SHOWN = 3


def warn_of_labels(labels: Sequence[str], table_name: str, problems: ProblemList) -> None:
    """Warn of what a column of labels seems to hold instead of classes; `labels` has one for each image."""
    names = list(dict.fromkeys(labels))
    joined = find_joined_labels(names)
    if joined:
        shown = ", ".join(repr(shorten(name, 60)) for name in joined[:_MAX_SHOWN])
        what = f"{len(joined):,} labels look like several classes in one cell"
        message = f"{what}, such as {shown}. Each combination was read as one class, because an image has one class."
        fix = "Write one class per image, or merge the combinations that mean the same."
        problems.warn(table_name, message, fix, kind="several_classes")
    if len(names) >= _MIN_NUMBERS and 2 * len(names) > len(labels) and all(map(is_number, names)):
        message = (
            f"The {len(labels):,} images have {len(names):,} different numbers as labels. They look like measurements "
            f"or ids; each was read as a class of its own."
        )
        fix = "Choose another column, or use a project that predicts numbers."
        problems.warn(table_name, message, fix, kind="column")


def find_joined_labels(names: Iterable[str]) -> list[str]:
    """Return the labels that consist of parts which other labels have too, by the first separator that finds some.

    Blanks are part of many names, so there every part has to be a label by itself.
    """
    known = list(names)
    whole = set(known)
    for separator in _SEPARATORS:
        parts = {name: _divide(name, separator) for name in known if separator in name}
        owners: dict[str, int] = {}
        for own in parts.values():
            for part in own:
                owners[part] = owners.get(part, 0) + 1
        found = []
        for name, own in parts.items():
            if len(own) < 2:
                continue
            has_others = own <= whole if separator == " " else any(part in whole or owners[part] > 1 for part in own)
            if has_others:
                found.append(name)
        if found:
            return found
    return []


def _divide(name: str, separator: str) -> set[str]:
    return {part.strip() for part in name.split(separator) if part.strip()}
