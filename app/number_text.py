"""Write numbers as pages show them: values that a model learned or predicted, metrics, shares, signs."""

from __future__ import annotations

import math

from app.metric_text import show_metric

LARGEST_IN_FULL = 1e15
MINUS = "\N{MINUS SIGN}"
SIGNIFICANT_DIGITS = 6


def format_value(value: float, beside: float | None = None) -> str:
    """Return a value in full up to 1e15, so that two far from 0 can still be told apart: seconds since 1970, say.

    With `beside`, at least two digits of the difference to that number can be read.
    """
    size = abs(value)
    if not 1e-4 <= size < LARGEST_IN_FULL:
        return f"{value:.{SIGNIFICANT_DIGITS}g}"
    decimals = max(0, SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(size)))
    gap = 0.0 if beside is None else abs(value - beside)
    if gap > 0.0:
        decimals = max(decimals, 1 - math.floor(math.log10(gap)))
    # float64 has no more digits than these.
    decimals = min(decimals, 15 - math.floor(math.log10(size)))
    text = f"{value:,.{max(0, decimals)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_difference(value: float, digits: str) -> str:
    """Return a number with its sign, `digits` as in ".1f"; what rounds to 0 has none."""
    text = f"{value:+{digits}}"
    if float(text) == 0.0:
        return text[1:]
    return f"{MINUS}{text[1:]}" if value < 0.0 else text


def format_number(value: float) -> str:
    """Return a metric with the digits of every page, and a minus sign as it is printed."""
    text = show_metric(value)
    return f"{MINUS}{text[1:]}" if text.startswith("-") else text


def format_share(value: float) -> str:
    """Return a share in percent."""
    percent = 100 * value
    return f"{percent:.0f} %" if percent in {0.0, 100.0} else f"{percent:.1f} %"
