"""Write a metric with the same digits on pages, on the command line and in bundles. The standard library only."""

from __future__ import annotations


def show_metric(value: float) -> str:
    """Return a metric with the digits that models are compared by: 0.667, 1.000, 12.34, 0.0582.

    charts.js does the same.
    """
    size = abs(value)
    if size >= 100_000:
        return f"{value:.3g}"
    if 0 < size < 0.1:
        return f"{value:#.3g}"
    if size >= 100:
        return f"{value:,.1f}"
    return f"{value:.3f}" if size < 10 else f"{value:.2f}"
