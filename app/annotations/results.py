"""What kinds of annotation say of a row of results.json: its words for pages, and where its fields are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from app.number_text import format_share, format_value

Row = Mapping[str, Any]
Fact = tuple[str, str]


@dataclass(frozen=True)
class ResultFields:
    """Where a row of results holds what lists are sorted and filtered by; dotted paths into the row.

    A path through a list stands for each of its items: an image with cars and dogs is found under both.
    """

    class_path: str | None = None
    predicted_path: str | None = None
    correct_path: str | None = None
    sort_paths: Mapping[Literal["confidence", "error"], str] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassShare:
    """How probable the model finds a class; `mark` says whether it is the truth or the prediction."""

    name: str
    share: float
    mark: str


@dataclass(frozen=True)
class ValueResult:
    """One value: truth, prediction, their difference."""

    name: str
    truth: str
    prediction: str
    error: str


def name_value(index: int, names: Sequence[str]) -> str:
    """Return what a value is called."""
    return names[index] if index < len(names) else f"Value {index + 1}"


def say_class(value: Mapping[str, Any]) -> str:
    """Return a class, and the confidence of a predicted one."""
    name = str(value.get("class_name", dict(value)))
    confidence = value.get("confidence")
    return f"{name} ({100 * confidence:.0f} %)" if isinstance(confidence, float) else name


def say_values(values: Sequence[float]) -> str:
    """Return values in a row."""
    return ", ".join(format_value(item) for item in values)


def describe_confidence(prediction: Mapping[str, Any]) -> str:
    """Return how sure a prediction is, as a share."""
    return format_share(float(prediction["confidence"]))
