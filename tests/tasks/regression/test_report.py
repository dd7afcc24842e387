"""The report of a regressor."""

from __future__ import annotations

from typing import Any

from app.schemas.parts import HistogramPart, ScatterPart, ValueTablePart
from app.tasks.regression.report import MAX_POINTS, build_parts

RESIDUALS = {"mean": 0.5, "deviation": 1.0, "bins": [{"lower": -2.0, "upper": 2.0, "count": 4}]}
FIGURES = {"mae": 1.0, "mse": 2.0, "rmse": 1.5, "r_squared": 0.9, "median_absolute_error": 0.8, "max_error": 3.0}


def make_rows(num_images: int, num_values: int = 1) -> list[dict[str, Any]]:
    """Return rows whose error is their number."""
    return [
        {
            "filename": f"{number}.png",
            "ground_truth": [float(index) for index in range(num_values)],
            "prediction": [index + float(number) for index in range(num_values)],
        }
        for number in range(num_images)
    ]


def test_one_value_has_the_numbers_that_its_headline_lacks() -> None:
    scatter, histogram, table = build_parts(FIGURES | {"residuals": [RESIDUALS]}, make_rows(3))
    assert isinstance(scatter, ScatterPart)
    assert isinstance(histogram, HistogramPart)
    assert isinstance(table, ValueTablePart)
    assert (scatter.names, scatter.num_images) == (["2.png", "1.png", "0.png"], 3)
    assert [value.prediction for value in scatter.values] == [[2.0, 1.0, 0.0]]
    assert [(value.mean, len(value.bins)) for value in histogram.values] == [(0.5, 1)]
    assert [[(item.title, item.number) for item in value] for value in table.values] == [
        [("Mean error", 0.5), ("Median absolute error", 0.8), ("Largest error", 3.0)]
    ]


def test_several_values_have_their_own_metrics_beside_their_charts() -> None:
    aggregate = FIGURES | {"per_value": [FIGURES, FIGURES | {"mae": 7.0}], "residuals": [RESIDUALS] * 2}
    scatter, _, table = build_parts(aggregate, make_rows(4, num_values=2))
    assert isinstance(scatter, ScatterPart)
    assert isinstance(table, ValueTablePart)
    assert [value.truth for value in scatter.values] == [[0.0] * 4, [1.0] * 4]
    assert [(value[0].title, value[0].number) for value in table.values] == [
        ("Mean absolute error", 1.0),
        ("Mean absolute error", 7.0),
    ]


def test_points_are_a_sample_taken_evenly_from_the_order_of_errors() -> None:
    (scatter,) = build_parts({}, make_rows(1001))
    assert isinstance(scatter, ScatterPart)
    assert (scatter.num_images, len(scatter.names)) == (1001, 334)
    assert scatter.names[:2] == ["1000.png", "997.png"]
    (many,) = build_parts({}, make_rows(600, num_values=200))
    assert isinstance(many, ScatterPart)
    assert len(many.names) == 200 < MAX_POINTS


def test_what_is_missing_leaves_its_part_out() -> None:
    assert build_parts({"mae": 1.0, "num_images": 2}, [{"filename": "a.png"}]) == []
    overflown = RESIDUALS | {"deviation": float("inf")}
    assert [part.type for part in build_parts(FIGURES | {"residuals": [overflown]}, [])] == ["value_table"]
