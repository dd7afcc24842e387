"""Paired runs and their medians. A ratio of two figures of the same minute says more than either figure."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the report. `ratio` is ours over the baseline's, in the unit; `goal` is what it is to reach."""

    name: str
    unit: str
    ours: float
    baseline: float | None
    ratio: float | None
    goal: str
    is_reached: bool


def measure_pairs(ours: Callable[[], float], baseline: Callable[[], float], pairs: int) -> tuple[float, float, float]:
    """Return the medians of ours, of the baseline, and of the ratio of each pair; the order alternates."""
    measured: list[tuple[float, float]] = []
    for number in range(pairs):
        if number % 2:
            second = baseline()
            measured.append((ours(), second))
        else:
            measured.append((ours(), baseline()))
    return (
        statistics.median(pair[0] for pair in measured),
        statistics.median(pair[1] for pair in measured),
        statistics.median(pair[0] / pair[1] for pair in measured),
    )


def time_s(work: Callable[[], object]) -> float:
    """Return how long something takes, in seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def rate_for(work: Callable[[], object], duration_s: float) -> float:
    """Return how often something can be done in a second."""
    count = 0
    started = time.perf_counter()
    while (elapsed_s := time.perf_counter() - started) < duration_s:
        work()
        count += 1
    return count / elapsed_s
