"""Times as people say them. Knows no template."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from app.schemas.common import parse_time

_UNITS = ((3600, "minute", 60), (86_400, "hour", 3600), (7 * 86_400, "day", 86_400))
_JUST_NOW_S = 60


@dataclass(frozen=True)
class Moment:
    """A time: for machines, in words, and exactly."""

    iso: str
    text: str
    exact: str


def describe_moment(iso: str, now: datetime | None = None) -> Moment:
    """Return how long ago a time was; its date from a week on. What is no time is shown as it is.

    app.js says the same of `<time data-age>` while a page is open.
    """
    try:
        then = parse_time(iso)
    except ValueError:
        return Moment(iso, iso, iso)
    exact = then.strftime("%Y-%m-%d %H:%M UTC")
    age_s = ((now or datetime.now(timezone.utc)) - then).total_seconds()
    if age_s < _JUST_NOW_S:
        return Moment(iso, "just now", exact)
    for limit_s, unit, length_s in _UNITS:
        if age_s < limit_s:
            number = int(age_s // length_s)
            return Moment(iso, f"{number} {unit}{'' if number == 1 else 's'} ago", exact)
    return Moment(iso, then.strftime("%d %b %Y").lstrip("0"), exact)
