"""The 95 % intervals of the headline metrics, as aggregate.json holds them. How they are made, only the task knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.tasks.base import MetricsPart, TaskContext


def headline_intervals(
    part: MetricsPart,
    results: Sequence[Mapping[str, Any]],
    context: TaskContext,
    between_chunks: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Return `intervals` {metric: {low, high, level, resamples, method}} and `not_enough_images` {metric: reason},
    one of them for each headline metric, and what the task adds. `between_chunks` may raise to end the work."""
    return part.headline_intervals(results, context, between_chunks)
