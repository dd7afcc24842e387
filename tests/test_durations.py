"""Durations, as pages and the command line write them."""

from __future__ import annotations

import pytest

from app.durations import show_duration


@pytest.mark.parametrize(
    ("duration_s", "wanted"), [(0, "0 s"), (119.4, "119 s"), (120, "2 min"), (3700, "62 min"), (7500, "2 h 5 min")]
)
def test_durations_have_the_unit_that_is_easy_to_read(duration_s: float, wanted: str) -> None:
    assert show_duration(duration_s) == wanted
