"""Intervals of the sizes of errors: what they hold, when there is none, and that they repeat."""

from __future__ import annotations

import time

import numpy as np
import pytest

from app.tasks import error_intervals as module
from app.tasks.error_intervals import NAMES, ErrorIntervals, error_intervals, share_unseen


def measure(truth: np.ndarray, errors: np.ndarray) -> list[ErrorIntervals]:
    """Return the intervals of one or several values."""
    truth, errors = (array.reshape(len(array), -1) for array in (truth, errors))
    return error_intervals(truth, truth + errors, lambda: None)


def draw(size: int, num_values: int = 1, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return truth and normal errors with a deviation of a half."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=(size, num_values)), 0.5 * generator.normal(size=(size, num_values))


def test_the_intervals_of_many_images_are_those_that_theory_gives() -> None:
    truth, errors = draw(20_000)
    (found,) = measure(truth, errors)
    assert set(found.intervals) == set(NAMES)
    rmse = float(np.sqrt(np.square(errors).mean()))
    half = 1.96 * rmse / np.sqrt(2 * len(errors))
    assert found.intervals["rmse"]["low"] == pytest.approx(rmse - half, abs=half / 4)
    assert found.intervals["rmse"]["high"] == pytest.approx(rmse + half, abs=half / 2)
    for end in ("low", "high"):
        assert found.intervals["mse"][end] == pytest.approx(found.intervals["rmse"][end] ** 2, rel=1e-2)


def test_the_same_errors_give_the_same_intervals_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, errors = draw(50)
    first = measure(truth, errors)
    assert measure(truth, errors) == first
    monkeypatch.setattr(module, "MAX_AT_ONCE", 500)
    (again,) = measure(truth, errors)
    for name in NAMES:
        assert again.intervals[name]["high"] == pytest.approx(first[0].intervals[name]["high"], rel=1e-9)


def test_the_scale_of_the_values_changes_nothing_else() -> None:
    truth, errors = draw(60)
    (small,), (large,) = measure(truth, errors), measure(1e8 + 1e4 * truth, 1e4 * errors)
    assert large.intervals["mae"]["high"] == pytest.approx(1e4 * small.intervals["mae"]["high"], rel=1e-6)
    assert large.intervals["r_squared"]["low"] == pytest.approx(small.intervals["r_squared"]["low"], abs=1e-6)


def test_several_values_have_their_own_intervals_and_that_of_the_average() -> None:
    truth, errors = draw(80, 3)
    found = measure(truth, errors * np.array([1.0, 10.0, 100.0]))
    assert len(found) == 4
    widths = [item.intervals["mae"]["high"] - item.intervals["mae"]["low"] for item in found]
    assert widths[0] < widths[1] < widths[3] < widths[2]
    alone = measure(truth[:, 0], errors[:, 0])[0]
    assert found[0].intervals["rmse"]["low"] == pytest.approx(alone.intervals["rmse"]["low"], rel=1e-9)


@pytest.mark.parametrize(
    ("errors", "without"),
    [
        ([0.1 * number for number in range(9)], set(NAMES)),
        ([0.0] * 36 + [1.0] * 4, set(NAMES)),
        ([0.5, -0.5] * 20, set(NAMES)),
        ([0.0] * 40, set(NAMES)),
    ],
)
def test_what_too_few_images_cannot_say_is_not_said(errors: list[float], without: set[str]) -> None:
    truth = np.arange(len(errors), dtype=np.float64)
    (found,) = measure(truth, np.array(errors))
    assert without <= set(found.reasons)
    assert set(found.reasons) | set(found.intervals) == set(NAMES)
    assert not set(found.reasons) & set(found.intervals)
    assert all(reason.endswith(".") for reason in found.reasons.values())


def test_targets_without_spread_have_no_r_squared() -> None:
    _, errors = draw(40)
    (found,) = measure(np.full(40, 3.0), errors)
    assert set(found.reasons) == {"r_squared"}
    both = measure(np.stack([np.full(40, 3.0), np.arange(40.0)], axis=1), np.repeat(errors, 2, axis=1))
    assert [set(item.reasons) for item in both] == [{"r_squared"}, set(), {"r_squared"}]


def test_an_outlier_makes_an_interval_wide_instead_of_withholding_it() -> None:
    small = 0.1 * (np.arange(40.0) % 7 - 3)
    (without,), (found,) = measure(np.arange(40.0), small), measure(np.arange(40.0), np.append(small[1:], 50.0))
    assert set(found.intervals) == set(NAMES)
    # One image in 40 was off by 50; 13.2 % of them could be (Clopper and Pearson), if none were off by more.
    assert found.intervals["mae"]["high"] > 0.132 * 50.0
    assert without.intervals["mae"]["high"] < 0.3


def test_a_heavy_tail_has_a_farther_end_than_an_even_one() -> None:
    generator = np.random.default_rng(5)
    ratios = []
    for errors in (generator.uniform(0, 1, (200, 1)), generator.standard_t(2, (200, 1))):
        (found,) = measure(generator.normal(size=(200, 1)), errors)
        ratios.append(found.intervals["mse"]["high"] / np.square(errors).mean())
    assert ratios[0] < 1.3
    assert ratios[1] > 3.0


@pytest.mark.parametrize(
    ("errors", "factor"),
    [([5.0] * 39 + [5.1], 1.3), ([0.0] * 35 + [1.0] * 4 + [2.0], 4.0), ([2.0**20] * 20 + [2.0**40] * 20, 3.0)],
)
def test_odd_errors_have_finite_ends_on_both_sides_of_the_figure(errors: list[float], factor: float) -> None:
    (found,) = measure(np.arange(40.0), np.array(errors))
    mae = found.intervals["mae"]
    assert 0.0 <= mae["low"] <= np.mean(errors) <= mae["high"] < factor * np.mean(errors)
    for interval in found.intervals.values():
        assert np.isfinite([interval["low"], interval["high"]]).all()


def test_a_constant_prediction_has_an_interval_around_an_r_squared_of_0() -> None:
    truth = np.random.default_rng(7).normal(size=100)
    (found,) = measure(truth, truth.mean() - truth)
    assert found.intervals["r_squared"]["low"] < 0.0 < found.intervals["r_squared"]["high"]


@pytest.mark.parametrize(("num_images", "share"), [(1, 0.95), (40, 0.0722), (100, 0.0295), (500, 0.00597)])
def test_so_common_a_kind_of_image_can_be_missing(num_images: int, share: float) -> None:
    assert share_unseen(num_images) == pytest.approx(share, rel=5e-3)
    assert (1.0 - share_unseen(num_images)) ** num_images == pytest.approx(0.05)


def test_three_hundred_thousand_images_take_seconds() -> None:
    truth, errors = draw(300_000)
    started_s = time.process_time()
    (found,) = measure(truth, errors)
    assert time.process_time() - started_s < 10
    assert {item["resamples"] for item in found.intervals.values()} == {400}


@pytest.mark.parametrize("number", [2, 5, 9])
def test_too_few_images_are_no_error_of_a_metric(number: int) -> None:
    (found,) = measure(*draw(number))
    assert found.reasons == dict.fromkeys(NAMES, "An interval needs at least 10 images.")
