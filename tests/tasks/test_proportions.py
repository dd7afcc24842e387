"""Intervals of shares and of their averages, against what is known of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from app.tasks.proportions import average_interval, exact_limits, macro_intervals, share_interval


@pytest.mark.parametrize(("hits", "count"), [(0, 5), (5, 5), (1, 1), (99, 100), (39, 40), (3, 1000), (0, 0)])
def test_limits_of_a_share_are_clopper_and_pearsons(hits: int, count: int) -> None:
    low, high = exact_limits(np.array([float(hits)]), np.array([float(count)]))
    if count == 0:
        assert (low[0], high[0]) == (0.0, 1.0)
        return
    wanted = stats.binomtest(hits, count).proportion_ci(0.95, "exact")
    assert (low[0], high[0]) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_a_perfect_score_is_not_certain() -> None:
    interval = share_interval(40, 40)
    assert interval["low"] == pytest.approx(0.025 ** (1 / 40))
    assert (interval["high"], interval["level"], interval["resamples"]) == (1.0, 0.95, 0)
    for name, macro in macro_intervals(np.diag([20.0, 20.0])).items():
        assert macro["low"] < 0.95, name
        assert macro["high"] == 1.0, name


@pytest.mark.parametrize(("classes", "images"), [(30, 10), (50, 8)])
def test_mistakes_that_are_spread_over_many_classes_count_like_those_of_one(classes: int, images: int) -> None:
    # Every second class has one mistake. The images together leave more room above than each class's own end does.
    hits = np.full(classes, float(images)) - np.arange(classes, dtype=np.float64) % 2.0
    average = average_interval(hits, np.full(classes, float(images)))
    mean, pooled = hits.sum() / (classes * images), share_interval(float(hits.sum()), float(classes * images))
    assert average["high"] - mean > 0.95 * (pooled["high"] - mean)
    below = average_interval(images - hits, np.full(classes, float(images)))
    assert (below["low"], below["high"]) == pytest.approx((1.0 - average["high"], 1.0 - average["low"]))


def test_an_average_of_one_class_is_its_share() -> None:
    average = average_interval(np.array([7.0]), np.array([10.0]))
    share = share_interval(7, 10)
    assert (average["low"], average["high"]) == pytest.approx((share["low"], share["high"]))


def test_a_class_that_was_never_seen_may_be_anything() -> None:
    whole = average_interval(np.array([90.0, 80.0, 0.0]), np.array([100.0, 100.0, 0.0]))
    seen = average_interval(np.array([90.0, 80.0]), np.array([100.0, 100.0]))
    assert whole["low"] == pytest.approx(seen["low"] * 2 / 3)
    assert whole["high"] == pytest.approx(seen["high"] * 2 / 3 + 1 / 3)


def test_one_mistake_counts_for_the_f1_of_both_classes() -> None:
    # Two classes: every mistake is one of both, so their F1 rise and fall together and averaging makes nothing surer.
    interval = macro_intervals(np.array([[90.0, 10.0], [10.0, 90.0]]))["f1_macro"]
    single = np.array([2 * share / (1 + share) for share in stats.binomtest(90, 110).proportion_ci(0.95, "exact")])
    assert interval["high"] - interval["low"] > 0.75 * (single[1] - single[0])
