"""What the log says of a run before its first step."""

from __future__ import annotations

import pytest

from app.training.start import describe_warmup


@pytest.mark.parametrize(
    ("used", "wanted", "line"),
    [
        (1, 3, "Warm-up is shortened from 3 steps to 1: it takes half of the run at most."),
        (0, 1, "Warm-up is shortened from 1 step to 0: it takes half of the run at most."),
        (1500, 4000, "Warm-up is shortened from 4,000 steps to 1,500: it takes half of the run at most."),
    ],
)
def test_a_shorter_warmup_is_named_with_its_steps(used: int, wanted: int, line: str) -> None:
    assert describe_warmup(used, wanted) == line
