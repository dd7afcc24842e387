"""Calibration in words, and what its charts filter by."""

from __future__ import annotations

from typing import Any

from app.api.pages.evaluation.parts.base import PartPage
from app.api.pages.evaluation.parts.reliability import Calibration, present
from app.api.pages.evaluation.query import EvaluationAddress
from app.schemas.parts import ChanceRange, ReliabilityBin, ReliabilityPart, ResultFilter

PAGE = PartPage("proj-00000001", EvaluationAddress())
BINS = [
    ReliabilityBin(
        lower=0.0,
        upper=0.5,
        count=0,
        click=ResultFilter(filter_confidence_above=0.0, filter_confidence_up_to=0.5),
    ),
    ReliabilityBin(
        lower=0.5,
        upper=1.0,
        count=40,
        confidence=0.8,
        accuracy=0.7,
        click=ResultFilter(filter_confidence_above=0.5, filter_confidence_up_to=1.0),
    ),
]


def show(**changes: Any) -> Calibration:
    """Return what the page shows of a calibration."""
    part = ReliabilityPart(id="calibration", panel="Calibration", ece=0.1, num_images=40, bins=BINS, **changes)
    content = present(part, PAGE).content
    assert isinstance(content, Calibration)
    return content


def test_calibration_is_judged_only_beyond_chance() -> None:
    assert "overconfident" not in show(verdict="overconfident").sentence
    chance = ChanceRange(mean=0.06, low=0.01, high=0.15)
    sentence = show(chance=chance).sentence
    assert "would show 0.0600 on average and 0.0100 to 0.150 in 95 % of cases." in sentence
    assert "No clear difference from a perfectly calibrated model on 40 images" in sentence
    assert (
        "The model is overconfident: its confidence is higher than its accuracy."
        in show(chance=chance, verdict="overconfident").sentence
    )


def test_bars_and_points_lead_to_their_range_of_confidence() -> None:
    shown = show()
    assert shown.filters == {"this model": ["?sure=1-2"], "Images": ["?sure=0-2", "?sure=1-2"]}
    diagram, bars = shown.charts
    assert (len(diagram.series[1].points), len(bars.series[0].values)) == (1, 2)
