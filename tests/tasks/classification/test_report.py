"""The report of a classifier."""

from __future__ import annotations

from typing import Any

from app.schemas.parts import ClassTablePart, MatrixPart, ReliabilityPart, ResultFilter
from app.tasks.classification.report import build_parts

NOTHING = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
AGGREGATE: dict[str, Any] = {
    "accuracy": 0.6,
    "num_images": 10,
    "classes": ["a", "b", "c"],
    "confusion_matrix": [[4, 0, 2], [2, 2, 0], [0, 0, 0]],
    "per_class": {
        "a": {"precision": 0.667, "recall": 0.667, "f1": 0.667, "support": 6},
        "b": {"precision": 1.0, "recall": 0.5, "f1": 0.6, "support": 4},
        "c": NOTHING,
    },
    "calibration": {
        "ece": 0.1,
        "num_bins": 2,
        "bins": [
            {"lower": 0.0, "upper": 0.5, "count": 0, "confidence": None, "accuracy": None},
            {"lower": 0.5, "upper": 1.0, "count": 10, "confidence": 0.7, "accuracy": 0.6},
        ],
        "chance": {"mean": 0.05, "low": 0.0, "high": 0.2, "level": 0.95, "p_value": 0.3},
        "gap": {"value": 0.1, "p_value": 0.2},
        "verdict": "overconfident",
    },
}


def test_the_parts_stand_in_the_order_of_the_page() -> None:
    assert [part.id for part in build_parts(AGGREGATE, [])] == ["confusion_matrix", "class_scores", "calibration"]


def test_the_matrix_is_that_of_the_aggregate() -> None:
    matrix = build_parts(AGGREGATE, [])[0]
    assert isinstance(matrix, MatrixPart)
    assert (matrix.names, matrix.counts) == (["a", "b", "c"], AGGREGATE["confusion_matrix"])


def test_the_worst_class_comes_first_and_scores_that_mean_nothing_are_null() -> None:
    table = build_parts(AGGREGATE, [])[1]
    assert isinstance(table, ClassTablePart)
    assert [column.key for column in table.columns] == ["precision", "recall", "f1"]
    assert [(row.name, row.scores, row.support) for row in table.rows] == [
        ("b", [1.0, 0.5, 0.6], 4),
        ("a", [0.667, 0.667, 0.667], 6),
        ("c", [0.0, None, 0.0], 0),
    ]


def test_each_bar_of_confidence_says_which_results_it_counts() -> None:
    reliability = build_parts(AGGREGATE, [])[2]
    assert isinstance(reliability, ReliabilityPart)
    assert [item.click for item in reliability.bins] == [
        ResultFilter(filter_confidence_above=low, filter_confidence_up_to=high)
        for low, high in ((0.0, 0.5), (0.5, 1.0))
    ]
    assert (reliability.verdict, reliability.chance is not None) == ("overconfident", True)


def test_an_aggregate_of_an_earlier_version_has_the_parts_that_it_has_numbers_for() -> None:
    assert build_parts({"accuracy": 0.5, "num_images": 4}, []) == []
    calibration = {name: AGGREGATE["calibration"][name] for name in ("ece", "bins")}
    (reliability,) = build_parts({"accuracy": 0.6, "num_images": 10, "calibration": calibration}, [])
    assert isinstance(reliability, ReliabilityPart)
    assert (reliability.verdict, reliability.chance) == ("open", None)
