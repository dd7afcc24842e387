"""The speed of steps that a run reports."""

from __future__ import annotations

import pytest

from app.training.callbacks.resources import StepRate


@pytest.mark.parametrize(
    ("readings", "rates"),
    [
        ([(2, 2.0), (4, 4.0), (6, 6.0)], [1.0, 1.0, 1.0]),
        ([(20, 20.0), (20, 22.0), (20, 24.0)], [1.0, 1.0, 1.0]),  # validation after the epoch
        ([(0, 2.0), (0, 4.0), (1, 5.0)], [0.0, 0.0, 0.2]),  # a step takes longer than an interval
        ([(20, 20.0), (20, 60.0)], [1.0, 0.0]),  # something else than a pause between epochs
    ],
)
def test_a_pause_between_epochs_is_not_the_speed_of_the_steps(
    readings: list[tuple[int, float]], rates: list[float]
) -> None:
    speed = StepRate(0, 0.0)
    assert [speed.read(steps, now_s) for steps, now_s in readings] == pytest.approx(rates)
