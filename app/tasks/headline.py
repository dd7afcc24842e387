"""The headline of an evaluation: its main metrics with their intervals, from the keys of aggregate.json. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from app.schemas.parts import Figure
from app.schemas.tasks import MetricSpec


def make_headline(metrics: Sequence[MetricSpec], aggregate: Mapping[str, Any]) -> dict[str, Figure]:
    """Return the metrics that were measured, in the order of `metrics`."""
    intervals = aggregate.get("intervals") or {}
    reasons = aggregate.get("not_enough_images") or {}
    limit = (aggregate.get("interval_limits") or {}).get("note")
    headline = {}
    for metric in metrics:
        value, interval = aggregate.get(metric.name), intervals.get(metric.name) or {}
        low, high, level = (read_number(interval.get(name)) for name in ("low", "high", "level"))
        has_interval = low is not None and high is not None
        if is_number(value):
            headline[metric.name] = Figure(
                title=metric.title,
                direction=metric.direction,
                value=read_number(value),
                low=low if has_interval else None,
                high=high if has_interval else None,
                level=level if has_interval else None,
                reason=reasons.get(metric.name),
                not_covered=limit if has_interval else None,
            )
    return headline


def is_number(value: object) -> bool:
    """Return whether a value of a JSON document is a number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_number(value: Any) -> float | None:
    """Return a finite number of a JSON document, None for anything else."""
    return float(value) if is_number(value) and math.isfinite(value) else None
