"""Which of two models is better on the same images, and how sure that is. Arithmetic only: no files, no experiments.

Right or wrong: only images on which exactly one model is right say anything. With b of them for B and a for A, and no
opinion beforehand, the share that B would win among such images has the density Beta(b + 1, a + 1); the probability
that it exceeds one half is exact. The p-value is McNemar's exact test on the same counts.

Errors: the images are drawn with replacement, seeded, and the probability is the share of draws in which B's mean
error is less. No number of draws can be surer than the signs of so few images allow, so it stays within the bound that
the exact calculation gives when every sign points the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

DECISIVE = 0.9
LEVEL = 0.95
DRAWS = 2000
MIN_DRAWS = 400
MAX_DRAWN = 100_000_000
MAX_INDICES = 1 << 21
SEED = 20_240_601

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PairedResult:
    """Of B against A: means of both, difference B minus A with its interval, and the probability that B is better."""

    num_images: int
    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    probability: float
    p_value: float | None
    only_a: int
    only_b: int

    @property
    def verdict(self) -> Literal["better", "worse", "open"]:
        """What may be said of B: nothing while either could be the better one."""
        if self.probability >= DECISIVE:
            return "better"
        return "worse" if self.probability <= 1.0 - DECISIVE else "open"


def compare_correct(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> PairedResult:
    """Compare two models by which images each gets right; raises ValueError without images."""
    _require_images(len(a))
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    size = len(a)
    generator = np.random.default_rng(SEED)
    shares = np.array([only_a, only_b, size - only_a - only_b], dtype=np.float64) / size
    # Drawing images is drawing how many of each sort: the same distribution, at once.
    counts = generator.multinomial(size, shares, size=DRAWS)
    low, high = _interval((counts[:, 1] - counts[:, 0]) / size)
    return PairedResult(
        num_images=size,
        mean_a=float(a.mean()),
        mean_b=float(b.mean()),
        difference=(only_b - only_a) / size,
        low=low,
        high=high,
        probability=probability_of_majority(only_b, only_a),
        p_value=mcnemar_p_value(only_a, only_b),
        only_a=only_a,
        only_b=only_b,
    )


def compare_errors(a: Floats, b: Floats) -> PairedResult:
    """Compare two models by the errors of each image, where less is better; raises ValueError without images."""
    _require_images(len(a))
    differences = b - a
    means = draw_means(differences)
    only_a, only_b = int((differences > 0).sum()), int((differences < 0).sum())
    bound = probability_of_majority(only_a + only_b, 0)
    probability = float((means < 0).mean() + (means == 0).mean() / 2.0)
    low, high = _interval(means)
    return PairedResult(
        num_images=len(a),
        mean_a=float(a.mean()),
        mean_b=float(b.mean()),
        difference=float(differences.mean()),
        low=low,
        high=high,
        probability=min(max(probability, 1.0 - bound), bound),
        p_value=None,
        only_a=only_a,
        only_b=only_b,
    )


def draw_means(values: Floats) -> Floats:
    """Return the mean of each bootstrap draw of the values; seeded, and never more than MAX_DRAWN values in all."""
    size = len(values)
    draws = max(MIN_DRAWS, min(DRAWS, MAX_DRAWN // size))
    generator = np.random.default_rng(SEED)
    rows = max(1, MAX_INDICES // size)
    parts = [
        values[generator.integers(0, size, size=(min(rows, draws - start), size), dtype=np.int32)].mean(axis=1)
        for start in range(0, draws, rows)
    ]
    return np.concatenate(parts)


def probability_of_majority(wins: int, losses: int) -> float:
    """Return the probability that the share of wins exceeds one half, all shares having been equally likely before.

    It is P(X <= wins) for X binomial over wins + losses + 1 fair tosses.
    """
    return _binomial_cdf(wins, wins + losses + 1)


def mcnemar_p_value(only_a: int, only_b: int) -> float:
    """Return the two-sided p-value of McNemar's exact test: 1 when no image tells the two apart."""
    return min(1.0, 2.0 * _binomial_cdf(min(only_a, only_b), only_a + only_b)) if only_a + only_b else 1.0


def _binomial_cdf(k: int, n: int) -> float:
    """Return P(X <= k) of n fair tosses."""
    if k * 2 > n:  # the smaller tail keeps its digits
        return 1.0 - _binomial_cdf(n - k - 1, n) if k < n else 1.0
    logs = [_log_binomial(n, i) for i in range(k + 1)]
    return math.fsum(math.exp(value) for value in logs)


def _log_binomial(n: int, i: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2.0)


def _interval(means: NDArray[Any]) -> tuple[float, float]:
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return float(low), float(high)


def _require_images(number: int) -> None:
    if number == 0:
        msg = "There are no images to compare on."
        raise ValueError(msg)
