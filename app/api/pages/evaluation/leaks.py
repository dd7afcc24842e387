"""The notice beside the scores of an evaluation whose images training has seen. Computes no metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.number_text import format_number
from app.schemas.leaks import EvaluationLeaks
from app.schemas.parts import Figure


@dataclass(frozen=True)
class LeakNotice:
    """Names for `evaluation/leaks.html`: the metrics over all images and over those that are new to the model."""

    title: str
    text: str
    columns: list[str]
    rows: list[list[str]]


def make_leak_notice(headline: Mapping[str, Figure], leaks: EvaluationLeaks | None) -> LeakNotice | None:
    """Return the notice, None where no evaluated image is identical to a training image or may be one."""
    if leaks is None or not (leaks.identical.images or leaks.redrawn_splits):
        return None
    without = leaks.identical.without
    rows = []
    if without is not None and without.num_images:
        rows = [
            [
                figure.title,
                _format(figure.value),
                _format(without.metrics.get(name)),
                _format_interval(without.intervals.get(name), name in without.not_enough_images),
            ]
            for name, figure in headline.items()
            if figure.value is not None
        ]
    columns = ["Metric", "#All images", "#New images", "#95 % interval (new images)"]
    verb = "were" if leaks.identical.images else "may have been"
    return LeakNotice(f"Some of these images {verb} used in training", leaks.in_words(), columns, rows)


def _format(value: Any) -> str:
    return format_number(float(value)) if isinstance(value, int | float) else "none"


def _format_interval(interval: Any, is_withheld: bool) -> str:
    try:
        return f"{format_number(float(interval['low']))} to {format_number(float(interval['high']))}"
    except (KeyError, TypeError):
        return "not enough images" if is_withheld else "none"
