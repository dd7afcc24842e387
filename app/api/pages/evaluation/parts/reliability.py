"""Whether predictions are right as often as their confidence says, and how often each confidence occurs."""

from __future__ import annotations

from dataclasses import dataclass

from app.api.pages.charts import Chart, Series
from app.api.pages.evaluation.parts.base import Filters, PartPage, PartView, write_filter
from app.api.pages.evaluation.results import describe_range
from app.number_text import format_number, format_share
from app.plurals import count
from app.schemas.parts import ReliabilityBin, ReliabilityPart

MODEL = "this model"
BARS = "Images"
_VERDICTS = {
    "overconfident": "The model is overconfident: its confidence is higher than its accuracy.",
    "underconfident": "The model is underconfident: its confidence is lower than its accuracy.",
    "miscalibrated": "The model is overconfident at some confidences and underconfident at others.",
}


@dataclass(frozen=True)
class Calibration:
    """What `evaluation/parts/_reliability.html` shows."""

    sentence: str
    charts: list[Chart]
    filters: Filters


def present(part: ReliabilityPart, page: PartPage) -> PartView:  # noqa: ARG001 - it is the same on every page
    """Return the reliability diagram and how often which confidence occurs."""
    filled = [(item, item.confidence or 0.0, item.accuracy or 0.0) for item in part.bins if item.count]
    num = sum(item.count for item, _, _ in filled)
    confidence = sum(item.count * mean for item, mean, _ in filled) / num
    accuracy = sum(item.count * share for item, _, share in filled) / num
    sentence = (
        f"Average confidence {format_share(confidence)}, accuracy {format_share(accuracy)}. "
        f"Expected calibration error (ECE): {format_number(part.ece)}.{_judge(part)}"
    )
    points = tuple((mean, share) for _, mean, share in filled)
    filters = {
        MODEL: [write_filter(item.click) for item, _, _ in filled],
        BARS: [write_filter(item.click) for item in part.bins],
    }
    return PartView(Calibration(sentence, [_draw_diagram(points, sentence), _draw_bars(part.bins, num)], filters))


def _draw_diagram(points: tuple[tuple[float, float], ...], sentence: str) -> Chart:
    return Chart(
        id="reliability",
        title="Reliability diagram: accuracy at each confidence",
        type="line",
        series=(
            Series("perfect calibration", ((0.0, 0.0), (1.0, 1.0)), colour=7, is_dashed=True),
            Series(MODEL, points, colour=0),
        ),
        summary=sentence,
        x_title="Confidence",
        y_title="Accuracy",
        y_min=0.0,
        y_max=1.0,
    )


def _draw_bars(bins: list[ReliabilityBin], num: int) -> Chart:
    return Chart(
        id="confidence",
        title="Distribution of confidence",
        type="bar",
        series=(Series(BARS, values=tuple(float(item.count) for item in bins), colour=0),),
        labels=tuple(describe_range(item.lower, item.upper) for item in bins),
        summary=f"{count(num, 'image')} by the confidence of their prediction.",
        x_title="Confidence",
        y_title="Images",
        y_min=0.0,
    )


def _judge(part: ReliabilityPart) -> str:
    """Return what the error means beyond chance, nothing of an evaluation that did not measure it."""
    if part.chance is None:
        return ""
    unclear = f"No clear difference from a perfectly calibrated model on {count(part.num_images, 'image')}."
    return (
        f" By chance alone, a perfectly calibrated model would show {format_number(part.chance.mean)} on average and "
        f"{format_number(part.chance.low)} to {format_number(part.chance.high)} in 95 % of cases. "
        f"{_VERDICTS.get(part.verdict, unclear)}"
    )
