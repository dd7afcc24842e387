from __future__ import annotations

import pytest

from app.number_text import MINUS, format_difference, format_number, format_share, format_value


@pytest.mark.parametrize(
    ("value", "beside", "wanted"),
    [
        (0.0, None, "0"),
        (3.14159265, None, "3.14159"),
        (-0.25, None, "-0.25"),
        (12.0, None, "12"),
        (1_700_000_003.0, None, "1,700,000,003"),
        (1_700_000_003.0, 1_700_000_003.4375, "1,700,000,003"),
        (1_700_000_003.4375, 1_700_000_003.0, "1,700,000,003.44"),
        (100_000_001.0, 100_000_000.99999, "100,000,001"),
        (100_000_000.99999, 100_000_001.0, "100,000,000.99999"),
        (5e-9, None, "5e-09"),
        (2.5e20, None, "2.5e+20"),
    ],
)
def test_a_value_keeps_the_digits_that_differ(value: float, beside: float | None, wanted: str) -> None:
    assert format_value(value, beside) == wanted


@pytest.mark.parametrize(
    ("value", "digits", "wanted"),
    [
        (-20.0, ".1f", f"{MINUS}20.0"),
        (10.0, ".1f", "+10.0"),
        (-0.04, ".1f", "0.0"),
        (0.04, ".1f", "0.0"),
        (0.0, ".4g", "0"),
        (-1.5e-7, ".4g", f"{MINUS}1.5e-07"),
    ],
)
def test_a_difference_has_a_sign_unless_it_rounds_to_zero(value: float, digits: str, wanted: str) -> None:
    assert format_difference(value, digits) == wanted


def test_shares_and_metrics() -> None:
    assert [format_share(value) for value in (0.0, 0.1234, 0.9999, 1.0)] == ["0 %", "12.3 %", "100.0 %", "100 %"]
    assert [format_number(value) for value in (0.5, -0.5)] == ["0.500", f"{MINUS}0.500"]
