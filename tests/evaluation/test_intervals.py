"""Bootstrap intervals: their draws, their percentiles, and what they do with values that are not finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pytest

from app.evaluation.intervals import bootstrap_intervals, draw_indices, percentile_interval
from app.schemas.job_context import JobCancelled
from app.tasks.base import MetricsPart, TaskContext

CONTEXT = cast("TaskContext", None)


class MeanOfValues:
    """A task whose headline metrics are a mean and something that never is a number."""

    def resampled_headline(
        self, results: Sequence[Mapping[str, Any]], indices: np.ndarray[Any, Any], context: TaskContext
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Return both metrics of each draw."""
        means = np.array([row["value"] for row in results])[indices].mean(axis=1)
        return {"mean": means, "nothing": np.full(len(indices), np.nan)}


def intervals_of(values: Sequence[float]) -> dict[str, dict[str, Any]]:
    """Return the intervals over these values."""
    return bootstrap_intervals(cast("MetricsPart", MeanOfValues()), [{"value": value} for value in values], CONTEXT)


def test_the_interval_of_a_mean_is_the_one_that_theory_gives() -> None:
    values = np.random.default_rng(3).normal(10.0, 2.0, 400)
    interval = intervals_of(values.tolist())["mean"]
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert interval["low"] == pytest.approx(values.mean() - half, abs=0.05)
    assert interval["high"] == pytest.approx(values.mean() + half, abs=0.05)
    assert (interval["level"], interval["resamples"]) == (0.95, 1000)


def test_the_same_results_give_the_same_interval() -> None:
    values = [float(value) for value in range(30)]
    assert intervals_of(values) == intervals_of(values)


def test_a_metric_that_is_never_finite_is_left_out() -> None:
    assert set(intervals_of([1.0, 2.0])) == {"mean"}


def test_draws_that_are_not_finite_are_not_counted() -> None:
    interval = percentile_interval(np.array([1.0, np.nan, 1.0, np.inf]))
    assert interval == {"low": 1.0, "high": 1.0, "level": 0.95, "resamples": 2}
    assert percentile_interval(np.array([np.nan])) is None


@pytest.mark.parametrize("max_indices", [1, 37, 370, 10**6])
def test_draws_do_not_depend_on_the_chunks(max_indices: int) -> None:
    chunks = list(draw_indices(37, resamples=50, max_indices=max_indices))
    whole = np.concatenate(chunks)
    assert whole.shape == (50, 37)
    assert all(chunk.size <= max(37, max_indices) for chunk in chunks)
    np.testing.assert_array_equal(whole, next(draw_indices(37, resamples=50)))


def test_memory_is_bounded_for_many_images() -> None:
    first = next(draw_indices(1_000_000))
    assert first.nbytes <= 2**26


def test_the_work_can_be_ended_between_chunks() -> None:
    def cancel() -> None:
        raise JobCancelled

    with pytest.raises(JobCancelled):
        bootstrap_intervals(cast("MetricsPart", MeanOfValues()), [{"value": 1.0}], CONTEXT, cancel)
