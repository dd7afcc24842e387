"""Rows of results are filtered and sorted by the paths of a spec."""

from __future__ import annotations

from typing import Any

import pytest

from app.annotations.registry import get_kind
from app.annotations.results import ResultFields
from app.core.views.paging import cut_page, read_path, select_rows
from app.schemas.evaluation import ResultQuery

VIEW = ResultFields(
    class_path="truth.name",
    predicted_path="prediction.name",
    correct_path="correct",
    sort_paths={"confidence": "prediction.confidence", "error": "loss"},
)
ROWS: list[dict[str, Any]] = [
    {
        "filename": f"{letter}.png",
        "subset": "test" if index < 3 else "val",
        "truth": {"name": "x"},
        "prediction": {"name": "x" if index else "y", "confidence": [0.2, 0.9, 0.5, 0.7][index]},
        "correct": index > 0,
        "loss": [3.0, 0.1, None, 0.3][index],
    }
    for index, letter in enumerate("dcba")
]


def names(**query: Any) -> list[str]:
    return [row["filename"][0] for row in select_rows(ROWS, ResultQuery(**query), VIEW)]


def test_the_order_of_names_is_the_default() -> None:
    assert names() == ["a", "b", "c", "d"]
    assert names(sort_order="desc") == ["d", "c", "b", "a"]


def test_worst_first_puts_rows_without_a_value_last() -> None:
    assert names(sort_by="error", sort_order="desc") == ["d", "a", "c", "b"]
    assert names(sort_by="confidence") == ["d", "b", "a", "c"]


def test_filters_combine() -> None:
    assert names(filter_correct=False) == ["d"]
    assert names(filter_subset="val") == ["a"]
    assert names(filter_class="x", filter_predicted="y") == ["d"]
    assert names(filter_correct=True, filter_subset="test") == ["b", "c"]


def test_a_range_of_confidence_holds_its_upper_end_only() -> None:
    assert names(filter_confidence_above=0.2, filter_confidence_up_to=0.7) == ["a", "b"]
    assert names(filter_confidence_up_to=0.2) == ["d"]
    assert names(filter_confidence_above=0.7, filter_correct=True) == ["c"]
    assert select_rows(ROWS, ResultQuery(filter_confidence_up_to=1.0), ResultFields()) == []


def test_a_filter_that_the_task_does_not_know_matches_nothing() -> None:
    assert select_rows(ROWS, ResultQuery(filter_correct=True), ResultFields()) == []


def test_pages_are_counted() -> None:
    page = cut_page(ROWS, page=2, page_size=3)
    assert (page.total_items, page.total_pages, len(page.items)) == (4, 2, 1)
    assert cut_page([], 1, 50).total_pages == 0


def test_a_missing_part_of_a_path_is_none() -> None:
    assert read_path({"a": {"b": 1}}, "a.b") == 1
    assert read_path({"a": 1}, "a.b") is None


def test_worst_are_wrong_ones_that_are_sure_then_right_ones_that_are_not() -> None:
    rows = [
        {"filename": name, "correct": is_correct, "prediction": {"confidence": confidence}}
        for name, is_correct, confidence in (
            ("sure-right", True, 0.9),
            ("unsure-wrong", False, 0.4),
            ("unsure-right", True, 0.5),
            ("sure-wrong", False, 0.8),
        )
    ]
    order = ["sure-wrong", "unsure-wrong", "unsure-right", "sure-right"]
    found = select_rows(rows, ResultQuery(sort_by="worst"), VIEW)
    assert [row["filename"] for row in found] == order
    found = select_rows(rows, ResultQuery(sort_by="worst", sort_order="desc"), VIEW)
    assert [row["filename"] for row in found] == order[::-1]


def test_worst_is_the_largest_error_where_nothing_is_right_or_wrong() -> None:
    view = ResultFields(sort_paths={"error": "loss"})
    found = select_rows(ROWS, ResultQuery(sort_by="worst"), view)
    assert [row["filename"][0] for row in found] == ["d", "a", "c", "b"]


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({"a": "day2/1.png", "b": "day1/1.png", "c": "day2/2.png", "d": "day1/2.png"}, "bdac"),
        ({"a": "z.png"}, "bcda"),
        ({}, "abcd"),
    ],
)
def test_rows_come_in_the_order_of_the_names_that_are_shown(sources: dict[str, str], expected: str) -> None:
    def name_of(filename: str) -> str:
        return sources.get(filename[0], filename)

    for query, wanted in (({}, expected), ({"sort_order": "desc"}, expected[::-1])):
        found = select_rows(ROWS, ResultQuery.model_validate({"sort_by": "filename", **query}), VIEW, name_of)
        assert "".join(row["filename"][0] for row in found) == wanted


def test_a_row_with_objects_is_found_under_each_of_their_classes() -> None:
    objects = {
        "a.png": (["car", "dog"], ["car"]),
        "b.png": (["dog"], []),
        "c.png": ([], ["dog"]),
    }
    rows = [
        {
            "filename": name,
            "ground_truth": [{"class_name": item} for item in truth],
            "predictions": [{"class_name": item} for item in found],
        }
        for name, (truth, found) in objects.items()
    ]

    def find(**query: str) -> list[str]:
        selected = select_rows(rows, ResultQuery.model_validate(query), get_kind("box").result_fields)
        return [row["filename"] for row in selected]

    assert find(filter_class="dog") == ["a.png", "b.png"]
    assert find(filter_class="car") == ["a.png"]
    assert find(filter_predicted="dog") == ["c.png"]
    assert find(filter_class="cow") == []
