"""Filters, sorts and cuts rows of results by the fields that their annotation kind names."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.annotations.results import ResultFields
from app.schemas.evaluation import ResultPage, ResultQuery


def read_path(row: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, None where a part of it is missing."""
    value: Any = row
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def holds(row: Mapping[str, Any], path: str, wanted: Any) -> bool:
    """Return whether a row has this at a dotted path; a list on the way needs it in one of its items."""
    value: Any = row
    parts = path.split(".")
    for index, part in enumerate(parts):
        if isinstance(value, list):
            rest = ".".join(parts[index:])
            return any(isinstance(item, Mapping) and holds(item, rest, wanted) for item in value)
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return bool(value == wanted)


def select_rows(
    rows: Sequence[Mapping[str, Any]], query: ResultQuery, fields: ResultFields, name_of: Callable[[str], str] = str
) -> list[Mapping[str, Any]]:
    """Return the rows that match a query, in its order; rows without the value sorted by come last.

    `name_of` gives the name that is shown for a file name: equal values, and all rows by name, are in its order.
    `worst` puts wrong ones first, the surest of them at the top, then right ones, the least sure at the top; where
    nothing is right or wrong, the largest error comes first.
    """
    tests: list[tuple[str | None, Any]] = [
        ("subset", query.filter_subset),
        (fields.class_path, query.filter_class),
        (fields.predicted_path, query.filter_predicted),
        (fields.correct_path, query.filter_correct),
    ]
    for path, wanted in tests:
        if wanted is not None:
            rows = [row for row in rows if path is not None and holds(row, path, wanted)]
    ordered = sorted(_select_sure(rows, query, fields), key=lambda row: _sort_key(row, name_of))
    if query.sort_by == "worst":
        return _sort_by_badness(ordered, fields, is_best_first=query.sort_order == "desc")
    if query.sort_by == "filename":
        return ordered[::-1] if query.sort_order == "desc" else ordered
    path = fields.sort_paths.get(query.sort_by)
    if path is None:
        return ordered
    present = [row for row in ordered if read_path(row, path) is not None]
    absent = [row for row in ordered if read_path(row, path) is None]
    present.sort(key=lambda row: read_path(row, path), reverse=query.sort_order == "desc")
    return present + absent


def _sort_key(row: Mapping[str, Any], name_of: Callable[[str], str]) -> tuple[str, str]:
    filename = str(row["filename"])
    return row.get("source_name") or name_of(filename), filename


def cut_page(rows: Sequence[Mapping[str, Any]], page: int, page_size: int) -> ResultPage:
    """Return one page of rows."""
    start = (page - 1) * page_size
    return ResultPage(
        page=page,
        page_size=page_size,
        total_items=len(rows),
        total_pages=-(-len(rows) // page_size),
        items=[dict(row) for row in rows[start : start + page_size]],
    )


def _select_sure(
    rows: Sequence[Mapping[str, Any]], query: ResultQuery, fields: ResultFields
) -> Sequence[Mapping[str, Any]]:
    """Return the rows whose confidence lies in the range that is asked for, (above, up to]."""
    above, up_to = query.filter_confidence_above, query.filter_confidence_up_to
    if above is None and up_to is None:
        return rows
    path = fields.sort_paths.get("confidence")
    low, high = -math.inf if above is None else above, math.inf if up_to is None else up_to
    sure = [(row, read_path(row, path)) for row in rows] if path is not None else []
    return [row for row, confidence in sure if confidence is not None and low < confidence <= high]


def _sort_by_badness(
    rows: list[Mapping[str, Any]], fields: ResultFields, *, is_best_first: bool
) -> list[Mapping[str, Any]]:
    correct_path, confidence_path = fields.correct_path, fields.sort_paths.get("confidence")
    error_path = fields.sort_paths.get("error")

    def badness(row: Mapping[str, Any]) -> tuple[int, float]:
        if correct_path is not None:
            is_wrong = read_path(row, correct_path) is False
            confidence = float((confidence_path and read_path(row, confidence_path)) or 0.0)
            return (1, confidence) if is_wrong else (0, -confidence)
        return (0, float((error_path and read_path(row, error_path)) or 0.0))

    return sorted(rows, key=badness, reverse=not is_best_first)
