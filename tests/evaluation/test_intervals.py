"""The intervals of an evaluation: what the engine takes from a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import pytest

from app.evaluation.intervals import headline_intervals
from app.schemas.job_context import JobCancelled
from app.tasks.base import MetricsPart, TaskContext
from app.tasks.registry import load_metrics
from tests.tasks.samples import make_context

CONTEXT = cast("TaskContext", None)
INTERVAL = {"low": 0.1, "high": 0.3, "level": 0.95, "resamples": 0, "method": "none"}


class FixedMetrics:
    """A task that always gives the same answer."""

    def headline_intervals(
        self, results: Sequence[Mapping[str, Any]], context: TaskContext, between_chunks: Callable[[], None]
    ) -> dict[str, Any]:
        """Return one interval and one reason."""
        between_chunks()
        return {"intervals": {"share": INTERVAL}, "not_enough_images": {"other": f"There are {len(results)}."}}


PART = cast("MetricsPart", FixedMetrics())


def test_the_task_gives_intervals_and_reasons() -> None:
    found = headline_intervals(PART, [{}], CONTEXT)
    assert found == {"intervals": {"share": INTERVAL}, "not_enough_images": {"other": "There are 1."}}


def test_the_work_can_be_ended_between_chunks() -> None:
    def cancel() -> None:
        raise JobCancelled

    rows = [{"ground_truth": [float(n)], "prediction": [n + 0.1 * (n % 3)]} for n in range(20)]
    with pytest.raises(JobCancelled):
        headline_intervals(load_metrics("regression"), rows, make_context("regression"), cancel)
