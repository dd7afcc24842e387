"""How often a 95 % interval holds the true value, by simulation: at least 92 % in every case, from 40 images on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.tasks import error_intervals as module
from app.tasks.error_intervals import error_intervals
from app.tasks.proportions import macro_intervals, share_interval

pytestmark = pytest.mark.slow
WANTED = 0.92
ROUNDS = 1000

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]


@pytest.mark.parametrize(
    ("share", "size"),
    [(0.99, 100), (0.97, 40), (0.999, 40), (0.999, 1000), (0.9, 40), (0.5, 40), (0.03, 40), (0.01, 100), (0.95, 300)],
)
def test_accuracy(share: float, size: int) -> None:
    held = np.random.default_rng(1).binomial(size, share, ROUNDS)
    intervals = {hits: share_interval(float(hits), float(size)) for hits in np.unique(held)}
    assert np.mean([intervals[hits]["low"] <= share <= intervals[hits]["high"] for hits in held]) >= WANTED


def confuse(sizes: list[float], recalls: list[float]) -> Floats:
    """Return how often each (truth, prediction) occurs; mistakes go to the other classes by their sizes."""
    shares = np.array(sizes) / np.sum(sizes)
    others = np.tile(shares, (len(shares), 1))
    np.fill_diagonal(others, 0.0)
    recall = np.array(recalls)
    table: Floats = (1.0 - recall)[:, None] * others / others.sum(axis=1, keepdims=True)
    np.fill_diagonal(table, recall)
    table *= shares[:, None]
    return table


LONG_TAIL = [1.0 / (number + 1) for number in range(10)]
CLASS_CASES = {
    "a long tail at 100": (confuse(LONG_TAIL, [0.85] * 10), 100),
    "a longer tail at 100": (confuse([1.0 / (number + 1) for number in range(20)], [0.8] * 20), 100),
    "a tail that is worse at 100": (
        confuse([0.6**number for number in range(8)], np.linspace(0.95, 0.5, 8).tolist()),
        100,
    ),
    "a rare class at 40": (confuse([0.9, 0.1], [0.97, 0.6]), 40),
    "a rarer class at 40": (confuse([0.95, 0.05], [0.98, 0.5]), 40),
    "one rare of three at 40": (confuse([0.5, 0.45, 0.05], [0.95, 0.9, 0.5]), 40),
    "two equal, 0.97, at 40": (confuse([1, 1], [0.97, 0.97]), 40),
    "two equal, 0.7, at 40": (confuse([1, 1], [0.7, 0.7]), 40),
    "two equal, 0.99, at 100": (confuse([1, 1], [0.99, 0.99]), 100),
    "ten equal at 100": (confuse([1] * 10, [0.6] * 10), 100),
    "ten equal at 1,000": (confuse([1] * 10, [0.9] * 10), 1000),
    "fifty equal at 400": (confuse([1] * 50, [0.7] * 50), 400),
}


@pytest.mark.parametrize("case", CLASS_CASES)
def test_macro_averages(case: str) -> None:
    table, size = CLASS_CASES[case]
    hits, images, predictions = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    true = {
        "recall_macro": (hits / images).mean(),
        "precision_macro": (hits / predictions).mean(),
        "f1_macro": (2 * hits / (images + predictions)).mean(),
    }
    drawn = np.random.default_rng(2).multinomial(size, table.ravel(), ROUNDS).reshape(ROUNDS, *table.shape)
    found = [macro_intervals(counts.astype(np.float64)) for counts in drawn]
    for name, value in true.items():
        covered = np.mean([item[name]["low"] <= value <= item[name]["high"] for item in found])
        assert covered >= WANTED, (name, covered)
        # An interval from 0 to 1 would cover everything.
        assert np.mean([item[name]["high"] - item[name]["low"] for item in found]) < 0.52


def normal(generator: np.random.Generator, size: int) -> Floats:
    return generator.normal(size=size)


def heavy(generator: np.random.Generator, size: int) -> Floats:
    return generator.standard_t(3, size=size)


def skewed(generator: np.random.Generator, size: int) -> Floats:
    return generator.lognormal(0.0, 1.0, size=size)


def two_sided(generator: np.random.Generator, size: int) -> Floats:
    return generator.laplace(size=size)


def often_zero(generator: np.random.Generator, size: int) -> Floats:
    return generator.normal(size=size) * (generator.random(size) < 0.3)


def rising(generator: np.random.Generator, size: int) -> Floats:
    return 2.0 * generator.exponential(size=size)


def even(generator: np.random.Generator, size: int) -> Floats:
    return generator.uniform(0.0, 10.0, size=size)


# Errors, targets, images, values.
ERROR_CASES: dict[str, tuple[Draw, Draw, int, int]] = {
    "normal at 40": (normal, even, 40, 1),
    "normal at 300": (normal, even, 300, 1),
    "heavy tails at 40": (heavy, even, 40, 1),
    "heavy tails at 200": (heavy, even, 200, 1),
    "skewed at 40": (skewed, even, 40, 1),
    "two-sided exponential at 40": (two_sided, even, 40, 1),
    "mostly zero at 40": (often_zero, even, 40, 1),
    "skewed targets at 40": (normal, rising, 40, 1),
    "three values at 40": (normal, even, 40, 3),
    "two values with heavy tails at 40": (heavy, rising, 40, 2),
}


def measure_true(errors: Floats, truth: Floats) -> dict[str, float]:
    squared = np.square(errors).mean(axis=0)
    return {
        "mae": float(np.abs(errors).mean()),
        "mse": float(squared.mean()),
        "rmse": float(np.sqrt(squared).mean()),
        "r_squared": float((1.0 - squared / truth.var(axis=0)).mean()),
    }


@pytest.mark.parametrize("case", ERROR_CASES)
def test_errors(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESAMPLES", 600)
    draw_errors, draw_truth, size, num_values = ERROR_CASES[case]
    generator = np.random.default_rng(4)

    def draw(number: int) -> tuple[Floats, Floats]:
        shape, total = (number, num_values), number * num_values
        return draw_errors(generator, total).reshape(shape), draw_truth(generator, total).reshape(shape)

    true = measure_true(*draw(2_000_000 // num_values))
    found: list[dict[str, Any]] = []
    for _ in range(ROUNDS):
        errors, truth = draw(size)
        found.append(error_intervals(truth, truth + errors, lambda: None)[-1].intervals)
    for name, value in true.items():
        given = [item[name] for item in found if name in item]
        covered = np.mean([interval["low"] <= value <= interval["high"] for interval in given])
        assert covered >= WANTED, (name, covered)
        assert len(given) >= 0.9 * ROUNDS, (name, len(given))
