"""How numbers of an evaluation read: shares, measures, intervals in words. Computes no metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.number_text import MINUS, format_number
from app.schemas.parts import Figure


@dataclass(frozen=True)
class Bar:
    """A share as text, and as the length of a bar from 0 to 100."""

    text: str
    x: float


@dataclass(frozen=True)
class HeadlineFigure:
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


def make_figures(headline: Mapping[str, Figure]) -> list[HeadlineFigure]:
    """Return the headline metrics that were measured."""
    return [_make_figure(figure, figure.value) for figure in headline.values() if figure.value is not None]


def explain_no_interval(reason: str | None) -> str:
    """Return why a metric has no interval; `reason` is that of the evaluation, where it gave one."""
    return f"Not enough images for an interval. {reason}" if reason else "No interval could be calculated"


def _make_figure(figure: Figure, value: float) -> HeadlineFigure:
    low, high = figure.interval or (value, value)
    start, end = (
        (min(0.0, low, value), max(1.0, high)) if figure.direction == "max" else (0.0, max(high, value) * 1.1 or 1.0)
    )

    def place(number: float) -> float:
        return round(100 * (number - start) / (end - start), 2)

    has_interval = figure.interval is not None
    better = "higher is better" if figure.direction == "max" else "lower is better"
    words = f"{format_number(low)} to {format_number(high)}"
    level = f"{100 * figure.level:.0f} % " if figure.level is not None else ""
    return HeadlineFigure(
        title=figure.title,
        text=format_number(value),
        interval=f"{level}interval: {words}" if has_interval else explain_no_interval(figure.reason),
        sentence=f"{figure.title} {format_number(value)}, {level}interval {words}" if has_interval else figure.title,
        x=place(value),
        low_x=place(low),
        width=max(0.6, round(place(high) - place(low), 2)),
        scale=f"Scale {format_number(start)} to {format_number(end)}, {better}",
        ends=(_show_end(start), _show_end(end)) if has_interval or figure.direction == "max" else (),
    )


def _show_end(value: float) -> str:
    """Return an end of a scale, which needs fewer digits than a metric."""
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{MINUS}{text[1:]}" if text.startswith("-") else text
