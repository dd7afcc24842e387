"""Paired runs and their medians. A ratio of two figures of the same minute says more than either figure."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scope:
    """How much is measured: quick shows that everything works and measures little; `device` is cpu or gpu:N."""

    is_quick: bool = False
    pairs: int = 1
    device: str = "cpu"

    @property
    def is_on_gpu(self) -> bool:
        """Whether training computes on a GPU."""
        return self.device != "cpu"

    def pick(self, full: int, quick: int) -> int:
        """Return a count for this scope."""
        return quick if self.is_quick else full


@dataclass(frozen=True)
class Figure:
    """One line of the report. `ratio` is ours over the baseline's, in the unit; `goal` is what it is to reach.

    A figure without a goal is stated and not judged. `note` says what the figures depend on.
    """

    name: str
    unit: str
    ours: float
    baseline: float | None
    ratio: float | None
    goal: str
    is_reached: bool
    note: str = ""

    @property
    def verdict(self) -> str:
        """The last column of the table."""
        return ("reached" if self.is_reached else "missed") if self.goal else "stated"


def measure_pairs(ours: Callable[[], float], baseline: Callable[[], float], pairs: int) -> tuple[float, float, float]:
    """Return the medians of ours, of the baseline, and of the ratio of each pair; the order alternates."""
    measured: list[tuple[float, float]] = []
    for number in range(pairs):
        if number % 2:
            second = baseline()
            measured.append((ours(), second))
        else:
            measured.append((ours(), baseline()))
    return median_of_pairs(measured)


def median_of_pairs(measured: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Return the medians of the first, of the second, and of first over second in each pair."""
    return (
        statistics.median(pair[0] for pair in measured),
        statistics.median(pair[1] for pair in measured),
        statistics.median(pair[0] / pair[1] for pair in measured),
    )


def list_values(values: list[float], digits: int = 2) -> str:
    """Return measured values in the order of the runs, for a note."""
    return ", ".join(f"{value:.{digits}f}" for value in values)


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
