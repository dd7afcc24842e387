"""Which scores of a class mean something."""

from __future__ import annotations

from typing import Any

import pytest

from app.schemas.class_scores import find_unmeasured

ALL = frozenset({"precision", "recall", "f1"})


def aggregate(confusion: list[list[int]] | None) -> dict[str, Any]:
    supports = [sum(row) for row in confusion or [[1], [0], [0]]]
    per_class = {
        name: {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": number}
        for name, number in zip("abc", supports, strict=True)
    }
    matrix = {} if confusion is None else {"confusion_matrix": confusion}
    return {"classes": list("abc"), "per_class": per_class} | matrix


@pytest.mark.parametrize(
    ("confusion", "unmeasured"),
    [
        ([[3, 0, 0], [0, 0, 0], [0, 0, 2]], {"b": ALL}),
        ([[3, 1, 0], [0, 0, 0], [0, 0, 2]], {"b": frozenset({"recall"})}),
        ([[3, 0, 0], [1, 0, 0], [1, 0, 0]], {}),
        ([[3, 1, 0], [0, 0, 0], [0, 0, 0]], {"b": frozenset({"recall"}), "c": ALL}),
        (None, {"b": ALL, "c": ALL}),
    ],
)
def test_scores_of_classes_without_images(
    confusion: list[list[int]] | None, unmeasured: dict[str, frozenset[str]]
) -> None:
    assert find_unmeasured(aggregate(confusion)) == unmeasured


def test_values_have_no_scores() -> None:
    assert find_unmeasured({"mae": 0.5}) == {}
