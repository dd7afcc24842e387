"""The parts of a report: each survives JSON, refuses what it does not know, and holds together."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from app.schemas.parts import (
    Aggregate,
    AnyReportPart,
    ClassTablePart,
    Curve,
    CurvePart,
    CurvePoint,
    Figure,
    HistogramBin,
    HistogramPart,
    HistogramValues,
    MatrixPart,
    NamedNumber,
    ReliabilityBin,
    ReliabilityPart,
    ReportPart,
    ResultFilter,
    ScatterPart,
    ScatterValues,
    ScoreColumn,
    ScoreRow,
    ValueTablePart,
    explain_limits,
    read_headline,
)

NUM_TYPES = 7
SURE = ResultFilter(filter_confidence_above=0.5, filter_confidence_up_to=1.0)
SAMPLES: tuple[AnyReportPart, ...] = (
    MatrixPart(id="matrix", panel="Matrix", names=["a", "b"], counts=[[3, 1], [0, 2]]),
    ClassTablePart(
        id="classes",
        panel="Classes",
        columns=[ScoreColumn(key="recall", title="Recall", help="share of its images", click="filter_class")],
        rows=[ScoreRow(name="a", scores=[0.75], support=4), ScoreRow(name="b", scores=[None], support=0)],
    ),
    CurvePart(
        id="roc",
        panel="ROC",
        title="ROC",
        summary="Above the diagonal.",
        x_title="False positives",
        y_title="True positives",
        curves=[
            Curve(name="model", points=[CurvePoint(x=0.0, y=0.5, click=SURE), CurvePoint(x=1.0, y=1.0)]),
            Curve(name="chance", points=[CurvePoint(x=0.0, y=0.0), CurvePoint(x=1.0, y=1.0)], is_reference=True),
        ],
    ),
    ScatterPart(
        id="scatter",
        panel="Values",
        title="true value and prediction",
        x_title="True value",
        y_title="Prediction",
        names=["1.png"],
        num_images=9,
        values=[ScatterValues(truth=[1.0], prediction=[1.5])],
    ),
    HistogramPart(
        id="residuals",
        panel="Values",
        title="errors",
        x_title="Error",
        y_title="Images",
        values=[HistogramValues(mean=0.0, deviation=1.0, bins=[HistogramBin(lower=-1.0, upper=1.0, count=2)])],
    ),
    ReliabilityPart(
        id="calibration",
        panel="Calibration",
        ece=0.1,
        num_images=40,
        bins=[
            ReliabilityBin(lower=0.0, upper=0.5, count=0),
            ReliabilityBin(lower=0.5, upper=1.0, count=40, confidence=0.8, accuracy=0.7, click=SURE),
        ],
    ),
    ValueTablePart(id="numbers", panel="Values", values=[[NamedNumber(title="Largest error", number=2.0)]]),
)
PARTS: TypeAdapter[AnyReportPart] = TypeAdapter(ReportPart)


def test_there_is_a_sample_of_every_type() -> None:
    types = {kind.model_fields["type"].default for kind in get_args(AnyReportPart)}
    assert len(types) == len(get_args(AnyReportPart)) == NUM_TYPES
    assert {part.type for part in SAMPLES} == types


@pytest.mark.parametrize("part", SAMPLES, ids=lambda part: part.type)
def test_a_part_comes_back_from_json(part: AnyReportPart) -> None:
    written = json.loads(json.dumps(part.model_dump(mode="json", exclude_none=True), allow_nan=False))
    assert PARTS.validate_python(written) == part


@pytest.mark.parametrize("part", SAMPLES, ids=lambda part: part.type)
def test_a_part_refuses_what_it_does_not_know(part: AnyReportPart) -> None:
    written = part.model_dump(mode="json")
    for wrong in ({"colour": "red"}, {"id": 3}, {"type": "hologram"}):
        with pytest.raises(ValidationError):
            PARTS.validate_python(written | wrong)


@pytest.mark.parametrize(
    ("index", "wrong"),
    [
        (0, {"counts": [[3, 1]]}),
        (0, {"counts": [[3, 1, 0], [0, 2, 0]]}),
        (0, {"names": ["a", "a"]}),
        (0, {"counts": [[3, -1], [0, 2]]}),
        (1, {"rows": [{"name": "a", "scores": [0.5, 0.5], "support": 1}]}),
        (1, {"rows": [{"name": "a", "scores": [0.5], "support": 1}] * 2}),
        (3, {"names": ["1.png", "2.png"]}),
        (4, {"values": []}),
        (5, {"bins": [{"lower": 0.0, "upper": 1.0, "count": 0}]}),
        (5, {"bins": [{"lower": 0.0, "upper": 1.0, "count": 4}]}),
    ],
)
def test_a_part_whose_numbers_do_not_fit_is_refused(index: int, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PARTS.validate_python(SAMPLES[index].model_dump(mode="json") | wrong)


def test_a_report_has_each_part_once() -> None:
    with pytest.raises(ValidationError, match="a part occurs twice: matrix"):
        Aggregate(headline={}, parts=[SAMPLES[0], SAMPLES[0]])


def test_a_cell_of_a_matrix_filters_by_truth_and_prediction() -> None:
    part = SAMPLES[0]
    assert isinstance(part, MatrixPart)
    assert part.filter_of(0, 1) == ResultFilter(filter_class="a", filter_predicted="b")


def test_the_headline_of_an_answer_is_read_and_its_limits_are_said_once() -> None:
    assert read_headline({"mae": 1.0}) == {}
    figure = {"title": "MAE", "direction": "min", "value": 1, "low": 0.5, "high": 2.0, "level": 0.95}
    headline = read_headline({"headline": {"mae": figure | {"not_covered": "Outliers."}, "mse": {"value": 2.0}}})
    assert (headline["mae"].interval, headline["mse"].interval) == ((0.5, 2.0), None)
    assert explain_limits(headline | {"rmse": Figure(value=1.0, not_covered="Outliers.")}) == ("Outliers.",)
