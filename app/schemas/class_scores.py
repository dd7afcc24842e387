"""Which scores of a class an evaluation could not measure, although its file holds a 0 for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOT_MEASURED = "\N{EN DASH}"


def find_unmeasured(aggregate: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Return, by class without an image, the scores that are a quotient of nothing.

    Recall needs images of the class. Without predictions of the class either, macro averages leave it out, and none of
    its scores means anything.
    """
    per_class: Mapping[str, Mapping[str, Any]] = aggregate.get("per_class") or {}
    predicted = _count_predictions(aggregate)
    return {
        name: frozenset({"recall"}) if predicted.get(name) else frozenset({"precision", "recall", "f1"})
        for name, scores in per_class.items()
        if scores.get("support") == 0
    }


def _count_predictions(aggregate: Mapping[str, Any]) -> dict[str, int]:
    columns = zip(*(aggregate.get("confusion_matrix") or []), strict=True)
    return {str(name): sum(column) for name, column in zip(aggregate.get("classes") or [], columns, strict=False)}
