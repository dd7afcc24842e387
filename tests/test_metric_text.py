from __future__ import annotations

import pytest

from app.metric_text import show_metric
from app.number_text import format_number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.000"),
        (0.0, "0.000"),
        (2 / 3, "0.667"),
        (0.0582, "0.0582"),
        (0.05, "0.0500"),
        (0.00012345, "0.000123"),
        (-0.25, "-0.250"),
        (12.345, "12.35"),
        (1234.56, "1,234.6"),
        (1_700_000_000.0, "1.7e+09"),
    ],
)
def test_a_metric_has_three_decimals_and_three_digits_that_count(value: float, text: str) -> None:
    assert show_metric(value) == text
    assert format_number(value) == text.replace("-0", "\N{MINUS SIGN}0")
