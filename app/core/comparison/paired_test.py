"""Whether one of two models is better on the same images. Arithmetic only: no files, no experiments.

One rule: a difference counts when its p-value, corrected for all pairs that are compared at once (Holm), is at most
5 %. Right or wrong: McNemar's exact test. Errors: a permutation test, which gives each image's difference a random
sign; exact for few images, drawn with a fixed seed otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
DRAWS = 9999
SEED = 20_240_601
# With so many differences or fewer, every choice of signs is tried.
MAX_EXACT = 13
# The signs of the largest differences are drawn one by one; the sum of more small ones is normal.
MAX_SIGNED = 1000
MIN_FOR_INTERVAL = 6

Floats = NDArray[np.float64]
Verdict = Literal["better", "worse", "open"]


@dataclass(frozen=True)
class PairedResult:
    """Of B against A: means of both, difference B minus A, and the p-value that no other comparison has corrected.

    `spread` is the standard error of the difference and `steps` the sorted sizes of its studentised random values,
    from which intervals come; None where there is no interval.
    """

    num_images: int
    mean_a: float
    mean_b: float
    difference: float
    p_value: float
    only_a: int
    only_b: int
    is_less_better: bool
    centre: float
    spread: float
    steps: Floats | None

    def verdict(self, p_adjusted: float) -> Verdict:
        """What may be said of B: nothing unless the corrected p-value is at most 5 %."""
        if p_adjusted > 1.0 - LEVEL or self.difference == 0.0:
            return "open"
        return "better" if (self.difference < 0) == self.is_less_better else "worse"

    def interval(self, num_pairs: int, p_adjusted: float) -> tuple[float, float] | None:
        """Return the interval of the difference: all pairs together hold theirs with 95 %, and no interval speaks
        against its verdict. None with too few images."""
        share = (1.0 - LEVEL) / num_pairs
        if self.steps is None:
            reach = NormalDist().inv_cdf(1.0 - share / 2.0)
        elif len(self.steps):
            reach = float(np.quantile(self.steps, 1.0 - share))
        else:
            return None
        if not math.isfinite(reach):
            return None
        low, high = self.centre - reach * self.spread, self.centre + reach * self.spread
        if self.verdict(p_adjusted) == "open":
            return min(low, 0.0), max(high, 0.0)
        return (max(low, 0.0), high) if self.difference > 0 else (low, min(high, 0.0))


def compare_correct(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> PairedResult:
    """Compare two models by which images each gets right; raises ValueError without images."""
    _require_images(len(a))
    only_a, only_b, size = int((a & ~b).sum()), int((b & ~a).sum()), len(a)
    # Agresti and Min (2005): half an image more of each of the four sorts, so that no difference is certain.
    centre = (only_b - only_a) / (size + 2.0)
    apart = (only_a + only_b + 1.0) / (size + 2.0)
    return PairedResult(
        num_images=size,
        mean_a=float(a.mean()),
        mean_b=float(b.mean()),
        difference=(only_b - only_a) / size,
        p_value=mcnemar_p_value(only_a, only_b),
        only_a=only_a,
        only_b=only_b,
        is_less_better=False,
        centre=centre,
        spread=math.sqrt((apart - centre**2) / (size + 2.0)),
        steps=None,
    )


def compare_errors(a: Floats, b: Floats) -> PairedResult:
    """Compare two models by the errors of each image, where less is better; raises ValueError without images."""
    _require_images(len(a))
    differences = b - a
    mean, size = float(differences.mean()), len(a)
    has_interval = size >= MIN_FOR_INTERVAL
    steps = _studentise(draw_signed_sums(differences - mean), differences - mean) if has_interval else np.empty(0)
    return PairedResult(
        num_images=size,
        mean_a=float(a.mean()),
        mean_b=float(b.mean()),
        difference=mean,
        p_value=permutation_p_value(differences),
        only_a=int((differences > 0).sum()),
        only_b=int((differences < 0).sum()),
        is_less_better=True,
        centre=mean,
        spread=float(differences.std(ddof=1)) / math.sqrt(size) if has_interval else 0.0,
        steps=steps,
    )


def correct_for_pairs(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values: the chance of any false winner among all of them stays below the level."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def permutation_p_value(differences: Floats) -> float:
    """Return the two-sided p-value of the mean difference when either model could have had either error."""
    counted = differences[differences != 0.0]
    if not len(counted):
        return 1.0
    # Sums of the same numbers in another order differ in their last digits.
    wanted = abs(float(counted.sum())) * (1.0 - 1e-9) - 1e-300
    sums = np.abs(draw_signed_sums(counted))
    at_least = int((sums >= wanted).sum())
    return at_least / len(sums) if len(counted) <= MAX_EXACT else (at_least + 1) / (len(sums) + 1)


def draw_signed_sums(values: Floats) -> Floats:
    """Return the sums of the values under random signs: all 2^n choices of few values, seeded draws of many."""
    if len(values) <= MAX_EXACT:
        choices = np.arange(1 << len(values))[:, None] >> np.arange(len(values))
        return np.asarray((1.0 - 2.0 * (choices & 1)) @ values)
    generator = np.random.default_rng(SEED)
    ordered = values[np.argsort(-np.abs(values), kind="stable")]
    largest, rest = ordered[:MAX_SIGNED], ordered[MAX_SIGNED:]
    bits = np.frombuffer(generator.bytes(DRAWS * (-(-len(largest) // 8))), dtype=np.uint8).reshape(DRAWS, -1)
    sums = np.empty(DRAWS)
    for start in range(0, DRAWS, 1000):
        signs = np.unpackbits(bits[start : start + 1000], axis=1, count=len(largest))
        sums[start : start + 1000] = largest.sum() - 2.0 * (signs.astype(np.float64) @ largest)
    return sums + math.sqrt(float(rest @ rest)) * generator.standard_normal(DRAWS) if len(rest) else sums


def mcnemar_p_value(only_a: int, only_b: int) -> float:
    """Return the two-sided p-value of McNemar's exact test: 1 when no image tells the two apart."""
    return min(1.0, 2.0 * _binomial_cdf(min(only_a, only_b), only_a + only_b)) if only_a + only_b else 1.0


def _studentise(sums: Floats, values: Floats) -> Floats:
    """Return the sizes of t of signed sums. Signs change no square, so each choice has its deviation at once."""
    size = len(values)
    squares = float(values @ values)
    variance = np.maximum(squares - np.square(sums) / size, 0.0) / max(1, size - 1)
    error = np.sqrt(variance * size)
    return np.divide(np.abs(sums), error, out=np.where(sums == 0.0, 0.0, np.inf), where=error > 0.0)


def _binomial_cdf(k: int, n: int) -> float:
    """Return P(X <= k) of n fair tosses."""
    if k * 2 > n:  # the smaller tail keeps its digits
        return 1.0 - _binomial_cdf(n - k - 1, n) if k < n else 1.0
    logs = [_log_binomial(n, i) for i in range(k + 1)]
    return math.fsum(math.exp(value) for value in logs)


def _log_binomial(n: int, i: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2.0)


def _require_images(number: int) -> None:
    if number == 0:
        msg = "There are no images to compare on."
        raise ValueError(msg)
