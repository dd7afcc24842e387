"""The report of a classifier: its confusion matrix, the scores of each class, and whether its confidence is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.schemas.class_scores import find_unmeasured
from app.schemas.parts import (
    AnyReportPart,
    ChanceRange,
    ClassTablePart,
    MatrixPart,
    ReliabilityBin,
    ReliabilityPart,
    ResultFilter,
    ScoreColumn,
    ScoreRow,
)

COLUMNS = (
    ScoreColumn(
        key="precision",
        title="Precision",
        help="share of the images predicted as this class that belong to it",
        click="filter_predicted",
    ),
    ScoreColumn(
        key="recall",
        title="Recall",
        help="share of the images of this class that were predicted as it",
        click="filter_class",
    ),
    ScoreColumn(key="f1", title="F1", help="harmonic mean of both", click="filter_class"),
)


def build_parts(aggregate: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> list[AnyReportPart]:
    """Return the parts of the report that there are numbers for, in the order of the page."""
    parts: list[AnyReportPart] = []
    if aggregate.get("classes") and aggregate.get("confusion_matrix"):
        parts.append(
            MatrixPart(
                id="confusion_matrix",
                panel="Confusion matrix",
                names=list(aggregate["classes"]),
                counts=aggregate["confusion_matrix"],
            )
        )
    if aggregate.get("per_class"):
        parts.append(_list_scores(aggregate))
    if aggregate.get("calibration"):
        parts.append(_describe_calibration(aggregate["calibration"], int(aggregate.get("num_images", 0))))
    return parts


def _list_scores(aggregate: Mapping[str, Any]) -> ClassTablePart:
    """Return the classes with the lowest F1 first; those without an image come last."""
    per_class: Mapping[str, Mapping[str, Any]] = aggregate["per_class"]
    unmeasured = find_unmeasured(aggregate)
    ordered = sorted(per_class.items(), key=lambda item: (item[1]["support"] == 0, item[1]["f1"], item[0]))
    rows = [
        ScoreRow(
            name=name,
            scores=[None if column.key in unmeasured.get(name, ()) else figures[column.key] for column in COLUMNS],
            support=figures["support"],
        )
        for name, figures in ordered
    ]
    return ClassTablePart(id="class_scores", panel="Metrics per class", columns=list(COLUMNS), rows=rows)


def _describe_calibration(calibration: Mapping[str, Any], num_images: int) -> ReliabilityPart:
    chance = calibration.get("chance")
    return ReliabilityPart(
        id="calibration",
        panel="Confidence and calibration",
        ece=calibration["ece"],
        num_images=num_images,
        bins=[
            ReliabilityBin(
                lower=item["lower"],
                upper=item["upper"],
                count=item["count"],
                confidence=item.get("confidence"),
                accuracy=item.get("accuracy"),
                click=ResultFilter(filter_confidence_above=item["lower"], filter_confidence_up_to=item["upper"]),
            )
            for item in calibration["bins"]
        ],
        chance=ChanceRange(mean=chance["mean"], low=chance["low"], high=chance["high"]) if chance else None,
        verdict=calibration.get("verdict") or "open",
    )
