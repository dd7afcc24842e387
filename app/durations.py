"""Write how long something takes, for pages and for the command line. The standard library only."""

from __future__ import annotations


def show_duration(duration_s: float) -> str:
    """Return a duration such as "45 s", "12 min" or "2 h 5 min"; training_results.js does the same."""
    if duration_s < 120:
        return f"{duration_s:.0f} s"
    hours, minutes = divmod(round(duration_s / 60), 60)
    return f"{hours} h {minutes} min" if hours >= 2 else f"{60 * hours + minutes} min"
