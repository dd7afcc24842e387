"""Times in words."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from app.api.pages.times import describe_moment

NOW = datetime(2026, 3, 12, 12, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("iso", "text"),
    [
        ("2026-03-12T12:00:30Z", "just now"),  # a clock that was set back
        ("2026-03-12T11:59:55Z", "just now"),
        ("2026-03-12T11:59:01Z", "just now"),
        ("2026-03-12T11:59:00Z", "1 minute ago"),
        ("2026-03-12T11:00:01Z", "59 minutes ago"),
        ("2026-03-12T09:00:00Z", "3 hours ago"),
        ("2026-03-11T11:00:00Z", "1 day ago"),
        ("2026-03-05T11:00:00Z", "5 Mar 2026"),
        ("no time", "no time"),
    ],
)
def test_a_time_is_told_by_its_age_and_from_a_week_on_by_its_date(iso: str, text: str) -> None:
    assert describe_moment(iso, NOW).text == text


def test_the_exact_time_goes_with_it() -> None:
    moment = describe_moment("2026-03-12T11:59:00.123456Z", NOW)
    assert (moment.iso, moment.exact) == ("2026-03-12T11:59:00.123456Z", "2026-03-12 11:59 UTC")
