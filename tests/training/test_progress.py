"""Estimates of the time that remains."""

from __future__ import annotations

from app.training.progress import ProgressMeter


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += seconds


def test_the_first_batch_does_not_count_for_the_estimate() -> None:
    clock = Clock()
    meter = ProgressMeter(clock)
    assert meter.estimate_remaining_s(10, 1, 4) is None
    for seconds in (30.0, 1.0, 1.0):
        clock.pass_s(seconds)
        assert meter.count_batch() == seconds
    assert meter.batches_total == 3
    estimate = meter.estimate_remaining_s(10, 0, 0)
    assert estimate is not None
    assert abs(estimate - 10.0) < 1e-9


def test_evaluations_count_as_measured() -> None:
    clock = Clock()
    meter = ProgressMeter(clock)
    for _ in range(3):
        clock.pass_s(3.0)
        meter.count_batch()
    assert meter.estimate_remaining_s(0, 2, 5) == 2 * 5 * 3.0 / 3
    clock.pass_s(8.0)
    assert meter.count_evaluation() == 8.0
    assert meter.estimate_remaining_s(1, 2.5, 5) == 3.0 + 20.0
