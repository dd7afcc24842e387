"""The throttle of progress events."""

from __future__ import annotations

from app.throttle import Throttle


def test_it_lets_through_once_per_interval() -> None:
    times = iter([0.0, 0.1, 0.4, 0.5, 0.9, 1.0, 7.0])
    throttle = Throttle(0.5, lambda: next(times))
    assert [throttle.is_due() for _ in range(7)] == [True, False, False, True, False, True, True]


def test_the_interval_can_begin_again() -> None:
    times = iter([0.0, 0.75, 1.5, 1.75])
    throttle = Throttle(1.0, lambda: next(times))
    assert throttle.is_due()
    throttle.restart()
    assert [throttle.is_due() for _ in range(2)] == [False, True]
