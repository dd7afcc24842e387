"""Ratios that do not fit say which they are, and which were left to their default."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.schemas.splits import SplitRatios


@pytest.mark.parametrize(
    ("ratios", "words"),
    [
        (
            {"train": 0.5, "val": 0.5},
            "these sum to 1.15 (train 0.5, val 0.5, test 0.15). Not given, so the default applies: test 0.15. "
            "Give all three, 0 for a subset without images.",
        ),
        (
            {"train": 1},
            "these sum to 1.3 (train 1, val 0.15, test 0.15). Not given, so the default applies: val 0.15, test 0.15.",
        ),
        ({"test": 0.5}, "Not given, so the default applies: train 0.7, val 0.15."),
        ({"train": 0.5, "val": 0.5, "test": 0.5}, "Ratios must sum to 1, these sum to 1.5 (train 0.5, val 0.5, test"),
    ],
)
def test_ratios_that_do_not_sum_to_1(ratios: dict[str, float], words: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        SplitRatios.model_validate(ratios)
    message = refusal.value.errors()[0]["msg"]
    assert words in message
    assert ("Not given" in message) == (len(ratios) < 3)


def test_ratios_that_sum_to_1_need_no_default() -> None:
    assert SplitRatios.model_validate({"train": 0.7, "test": 0.15}).val == 0.15
