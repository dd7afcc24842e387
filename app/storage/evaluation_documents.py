"""Reading aggregate.json and results.json: what pages take for granted in them is checked here, once per file.

A job wrote them, so their contents are the task's; unknown fields stay as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
from pydantic import TypeAdapter, ValidationError

from app.annotations.base import AnnotationKind
from app.annotations.registry import kind_of_row
from app.schemas.parts import Aggregate
from app.storage.json_store import CorruptDocumentError, parse_json, read_bytes

_OBJECT = TypeAdapter(dict[str, Any])
MAX_AGGREGATE_BYTES = 256 * 2**20
MAX_RESULTS_BYTES = 2 * 2**30
Count = Annotated[int, msgspec.Meta(ge=0)]


class _Interval(msgspec.Struct):
    low: float | None = None
    high: float | None = None
    level: float | None = None


class _IntervalLimits(msgspec.Struct):
    note: str
    unseen_share: float


class _ClassFigures(msgspec.Struct):
    precision: float
    recall: float
    f1: float
    support: Count


class _Bin(msgspec.Struct):
    lower: float
    upper: float
    count: Count


class _ConfidenceBin(_Bin):
    confidence: float | None = None
    accuracy: float | None = None


class _StoredCalibration(msgspec.Struct):
    ece: float
    bins: list[_ConfidenceBin]
    num_bins: Count = 0


class _Residuals(msgspec.Struct):
    mean: float
    deviation: float
    bins: list[_Bin]


class _StoredSkippedImage(msgspec.Struct):
    filename: str
    message: str


class _StoredSkipped(msgspec.Struct):
    count: Count
    images: list[_StoredSkippedImage] = []


class _StoredAggregate(msgspec.Struct):
    """The fields of any task's aggregate that somebody reads."""

    num_images: Count
    classes: list[str] = []
    confusion_matrix: list[list[Count]] = []
    per_class: dict[str, _ClassFigures] = {}
    calibration: _StoredCalibration | None = None
    intervals: dict[str, _Interval | None] = {}
    not_enough_images: dict[str, str] = {}
    interval_limits: _IntervalLimits | None = None
    skipped: _StoredSkipped | None = None
    per_value: list[dict[str, float | None]] = []
    residuals: list[_Residuals] = []


def read_aggregate(path: Path) -> dict[str, Any]:
    """Return aggregate.json; raises FileNotFoundError or CorruptDocumentError."""
    data = read_bytes(path, MAX_AGGREGATE_BYTES)
    content: dict[str, Any] = parse_json(path, data)
    try:
        _OBJECT.validate_json(data)  # what is nested too deeply for it could not be put into an answer
    except ValidationError as error:
        reason = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise CorruptDocumentError(path, reason) from error
    try:
        known = msgspec.convert(content, _StoredAggregate)
    except msgspec.ValidationError as error:
        raise CorruptDocumentError(path, str(error)) from error
    _check_report(path, content)
    matrix = known.confusion_matrix
    if matrix and {len(matrix), *map(len, matrix)} != {len(known.classes)}:
        raise CorruptDocumentError(path, f"confusion_matrix is not of the {len(known.classes)} classes")
    if len(set(known.classes)) != len(known.classes):
        raise CorruptDocumentError(path, "classes: a name occurs twice")
    if known.per_class.keys() - set(known.classes):
        raise CorruptDocumentError(path, "per_class: it has a name that is none of the classes")
    for name in known.intervals:
        if not _is_number(content.get(name), or_none=True):
            raise CorruptDocumentError(path, f"{name} is no number")
    filled = [item for item in known.calibration.bins if item.count] if known.calibration else []
    if known.calibration and (not filled or any(None in (item.confidence, item.accuracy) for item in filled)):
        raise CorruptDocumentError(path, "calibration has a bin without figures")
    return content


def _check_report(path: Path, content: dict[str, Any]) -> None:
    """Raise CorruptDocumentError for a damaged report. Files of earlier versions have none."""
    report = {name: content[name] for name in ("headline", "parts") if name in content}
    if not report:
        return
    try:
        Aggregate.model_validate(report)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise CorruptDocumentError(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def read_results(path: Path) -> list[dict[str, Any]]:
    """Return the rows of results.json; raises FileNotFoundError or CorruptDocumentError."""
    content = parse_json(path, read_bytes(path, MAX_RESULTS_BYTES))
    rows = content.get("results") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise CorruptDocumentError(path, "results: it is no list")
    first: AnnotationKind | None = None
    for number, row in enumerate(rows):
        reason = _find_fault(row)
        kind = None if reason else kind_of_row(row)
        first = kind if number == 0 else first
        if kind is not None:
            reason = kind.find_row_fault(row)
        if reason:
            raise CorruptDocumentError(path, f"results.{number}: {reason}")
        if kind is not first:
            raise CorruptDocumentError(path, f"results.{number}: it is of another kind than the first")
    if len({row["filename"] for row in rows}) != len(rows):
        raise CorruptDocumentError(path, "results: an image occurs twice")
    return rows


def _find_fault(row: Any) -> str:
    """Return what is wrong with what rows of every kind have, empty when nothing is."""
    if not isinstance(row, dict) or not isinstance(row.get("filename"), str):
        return "it has no filename"
    if not isinstance(row.get("source_name", ""), str):
        return "source_name: it is no text"
    if not isinstance(row.get("loss"), int | float | None):
        return "loss: it is no number"
    if not isinstance(row.get("correct"), bool | None):
        return "correct: it is neither true nor false"
    probabilities = row.get("probabilities")
    if isinstance(probabilities, dict) and not all(map(_is_number, probabilities.values())):
        return "probabilities: one is no number"
    return ""


def _is_number(value: Any, *, or_none: bool = False) -> bool:
    return (isinstance(value, int | float) and not isinstance(value, bool)) or (or_none and value is None)
