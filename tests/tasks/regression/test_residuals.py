from __future__ import annotations

import numpy as np
import pytest

from app.tasks.regression.residuals import NUM_BINS, count_residuals


def test_every_error_is_counted_once_around_zero() -> None:
    errors = np.random.default_rng(3).normal(0.4, 2.0, 500)
    found = count_residuals(errors)
    bins = found["bins"]
    assert len(bins) == NUM_BINS
    assert sum(item["count"] for item in bins) == 500
    for item in bins[:-1]:
        inside = (errors >= item["lower"]) & (errors < item["upper"])
        assert item["count"] == int(inside.sum())
    assert bins[0]["lower"] == pytest.approx(-bins[-1]["upper"])
    middle = bins[NUM_BINS // 2]
    assert middle["lower"] < 0 < middle["upper"]
    assert (found["mean"], found["deviation"]) == pytest.approx((errors.mean(), errors.std()))


def test_no_error_at_all_is_one_bin() -> None:
    assert count_residuals(np.zeros(4))["bins"] == [{"lower": 0.0, "upper": 0.0, "count": 4}]
