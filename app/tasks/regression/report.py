"""The report of a regressor: true values against predictions, the spread of the errors, and further numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.schemas.parts import (
    AnyReportPart,
    HistogramBin,
    HistogramPart,
    HistogramValues,
    NamedNumber,
    ScatterPart,
    ScatterValues,
    ValueTablePart,
)
from app.tasks.headline import read_number
from app.tasks.regression.spec import SPEC

PANEL = "True values and predictions"
MAX_POINTS = 500
MAX_NUMBERS = 100_000
"""Points of all values together, so that a report of many values stays small."""
EXTREMES = (("median_absolute_error", "Median absolute error"), ("max_error", "Largest error"))

Row = Mapping[str, Any]


def build_parts(aggregate: Mapping[str, Any], results: Sequence[Row]) -> list[AnyReportPart]:
    """Return the parts of the report that there are numbers for; each has an entry for each value."""
    parts: list[AnyReportPart] = []
    if (scatter := _draw_scatter(results)) is not None:
        parts.append(scatter)
    residuals = aggregate.get("residuals") or []
    # Errors near the largest float have a deviation that is infinite.
    if residuals and all(read_number(item["deviation"]) is not None for item in residuals):
        parts.append(
            HistogramPart(
                id="value_residuals",
                panel=PANEL,
                title="errors (prediction minus true value)",
                x_title="Error",
                y_title="Images",
                values=[_describe_residuals(item) for item in residuals],
            )
        )
    if any(numbers := _list_numbers(aggregate, residuals)):
        parts.append(ValueTablePart(id="value_table", panel=PANEL, values=numbers))
    return parts


def _draw_scatter(results: Sequence[Row]) -> ScatterPart | None:
    """Return a sample of the images, taken evenly from the order of their errors, the worst one among them."""
    rows = sorted(filter(_has_values, results), key=_largest_error, reverse=True)
    if not rows:
        return None
    num_values = len(rows[0]["ground_truth"])
    rows = [row for row in rows if len(row["ground_truth"]) == len(row["prediction"]) == num_values]
    limit = max(1, min(MAX_POINTS, MAX_NUMBERS // (2 * num_values)))
    shown = rows[:: max(1, -(-len(rows) // limit))]
    return ScatterPart(
        id="value_cloud",
        panel=PANEL,
        title="true value and prediction",
        x_title="True value",
        y_title="Prediction",
        names=[str(row["filename"]) for row in shown],
        num_images=len(rows),
        values=[
            ScatterValues(
                truth=[row["ground_truth"][index] for row in shown],
                prediction=[row["prediction"][index] for row in shown],
            )
            for index in range(num_values)
        ],
    )


def _has_values(row: Row) -> bool:
    truth, prediction = row.get("ground_truth"), row.get("prediction")
    return isinstance(truth, list) and isinstance(prediction, list) and len(truth) == len(prediction) > 0


def _largest_error(row: Row) -> float:
    known = row.get("max_absolute_error")
    if isinstance(known, float):
        return known
    pairs = zip(row["ground_truth"], row["prediction"], strict=True)
    return max(abs(float(prediction) - float(truth)) for truth, prediction in pairs)


def _describe_residuals(residuals: Mapping[str, Any]) -> HistogramValues:
    return HistogramValues(
        mean=residuals["mean"],
        deviation=residuals["deviation"],
        bins=[
            HistogramBin(lower=item["lower"], upper=item["upper"], count=item["count"]) for item in residuals["bins"]
        ],
    )


def _list_numbers(aggregate: Mapping[str, Any], residuals: Sequence[Mapping[str, Any]]) -> list[list[NamedNumber]]:
    """Return what is known of each value. One value has its metrics in the headline, several have them here."""
    per_value = aggregate.get("per_value") or []
    metrics = [(metric.name, metric.title) for metric in SPEC.info.headline_metrics] if per_value else []
    found = []
    for index, figures in enumerate(per_value or [aggregate]):
        mean = residuals[index]["mean"] if index < len(residuals) else None
        named = [
            *((title, figures.get(name)) for name, title in metrics),
            ("Mean error", mean),
            *((title, figures.get(name)) for name, title in EXTREMES),
        ]
        numbers = [(title, read_number(value)) for title, value in named]
        found.append([NamedNumber(title=title, number=number) for title, number in numbers if number is not None])
    return found
