"""How numbers of an evaluation read: shares, measures, intervals in words. Computes no metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.number_text import MINUS, format_number
from app.schemas.tasks import MetricSpec


@dataclass(frozen=True)
class Figure:
    """One headline metric with its interval; `low_x`, `high_x` and `x` lie on a line from 0 to 100.

    `ends` are what the line goes from and to, empty without a line: nothing says how large an error without an
    interval is.
    """

    title: str
    text: str
    interval: str
    sentence: str
    x: float
    low_x: float
    width: float
    scale: str
    ends: tuple[str, ...] = ()


def make_figures(metrics: tuple[MetricSpec, ...], aggregate: dict[str, Any]) -> list[Figure]:
    """Return the headline metrics that were measured."""
    intervals: dict[str, Any] = aggregate.get("intervals", {})
    reasons: dict[str, str] = aggregate.get("not_enough_images", {})
    return [
        _make_figure(metric, float(aggregate[metric.name]), intervals.get(metric.name), reasons.get(metric.name, ""))
        for metric in metrics
        if isinstance(aggregate.get(metric.name), int | float)
    ]


def explain_no_interval(reason: str | None) -> str:
    """Return why a metric has no interval; `reason` is that of the evaluation, where it gave one."""
    return f"Not enough images for an interval. {reason}" if reason else "No interval could be calculated"


def _make_figure(metric: MetricSpec, value: float, interval: dict[str, Any] | None, reason: str) -> Figure:
    low = float(interval["low"]) if interval else value
    high = float(interval["high"]) if interval else value
    start, end = (
        (min(0.0, low, value), max(1.0, high)) if metric.direction == "max" else (0.0, max(high, value) * 1.1 or 1.0)
    )

    def place(number: float) -> float:
        return round(100 * (number - start) / (end - start), 2)

    better = "higher is better" if metric.direction == "max" else "lower is better"
    words = f"{format_number(low)} to {format_number(high)}" if interval else ""
    level = f"{100 * float(interval['level']):.0f} %" if interval else ""
    return Figure(
        title=metric.title,
        text=format_number(value),
        interval=f"{level} interval: {words}" if interval else explain_no_interval(reason),
        sentence=f"{metric.title} {format_number(value)}, {level} interval {words}" if interval else metric.title,
        x=place(value),
        low_x=place(low),
        width=max(0.6, round(place(high) - place(low), 2)),
        scale=f"Scale {format_number(start)} to {format_number(end)}, {better}",
        ends=(_show_end(start), _show_end(end)) if interval or metric.direction == "max" else (),
    )


def _show_end(value: float) -> str:
    """Return an end of a scale, which needs fewer digits than a metric."""
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{MINUS}{text[1:]}" if text.startswith("-") else text
