"""Whether a classifier is right as often as it says: expected calibration error and its bins. NumPy only.

Chance alone gives a perfectly calibrated model an ECE above 0. So the same confidences are drawn anew, right with
exactly the probability that they say, and what the model shows counts only beyond what those draws show.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_BINS = 15
DRAWS = 1000
MAX_DRAWN = 50_000_000
MIN_DRAWS = 200
MAX_AT_ONCE = 1 << 21
LEVEL = 0.95
SEED = 20_240_601

Floats = NDArray[np.float64]


def measure_calibration(confidence: Floats, is_correct: NDArray[np.bool_]) -> dict[str, Any]:
    """Return `ece`, `num_bins` and `bins` of equal width (lower, upper]; an empty bin has null figures.

    ECE is the mean over the images of the gap between confidence and accuracy of their bin (Guo et al., 2017,
    "On Calibration of Modern Neural Networks"). `chance` has the mean of the ECE of a perfectly calibrated model on
    these confidences, and the interval that holds 95 % of its values. `verdict` is "overconfident", "underconfident",
    "miscalibrated" (off in both directions) or "open", which says no more than chance explains.
    """
    edges = np.linspace(0.0, 1.0, NUM_BINS + 1)
    bin_of = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, NUM_BINS - 1)
    counts = np.bincount(bin_of, minlength=NUM_BINS)
    confidence_sums = np.bincount(bin_of, weights=confidence, minlength=NUM_BINS)
    correct_sums = np.bincount(bin_of, weights=is_correct.astype(np.float64), minlength=NUM_BINS)
    bins = [
        {
            "lower": float(edges[index]),
            "upper": float(edges[index + 1]),
            "count": int(count),
            "confidence": float(confidence_sums[index] / count) if count else None,
            "accuracy": float(correct_sums[index] / count) if count else None,
        }
        for index, count in enumerate(counts)
    ]
    ece = float(np.abs(confidence_sums - correct_sums).sum() / len(confidence))
    drawn = draw_gaps(confidence, bin_of)
    return {"ece": ece, "num_bins": NUM_BINS, "bins": bins} | _judge(
        ece, (confidence_sums - correct_sums) / len(confidence), drawn
    )


def draw_gaps(confidence: Floats, bin_of: NDArray[np.int64]) -> Floats:
    """Return confidence minus hits of each bin, per image of all, of perfectly calibrated models: (draws, bins)."""
    generator, order = np.random.default_rng(SEED), np.argsort(bin_of, kind="stable")
    probabilities, bins = np.minimum(confidence[order], 1.0), bin_of[order]
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    size = len(confidence)
    draws = max(MIN_DRAWS, min(DRAWS, MAX_DRAWN // size))
    rows, gaps = max(1, MAX_AT_ONCE // size), np.zeros((draws, NUM_BINS))
    for start in range(0, draws, rows):
        number = min(rows, draws - start)
        off = probabilities - (generator.random((number, size)) < probabilities)
        gaps[start : start + number, bins[starts]] = np.add.reduceat(off, starts, axis=1)
    return gaps / size


def _judge(ece: float, gaps: Floats, drawn: Floats) -> dict[str, Any]:
    """Two questions at 2.5 % each: is the whole shifted to one side, and are the bins further off than by chance."""
    by_chance = np.abs(drawn).sum(axis=1)
    gap, drawn_gaps = float(gaps.sum()), drawn.sum(axis=1)
    size = len(by_chance) + 1
    # Sums in another order differ in their last digits.
    p_ece = (1 + int((by_chance >= ece - 1e-12).sum())) / size
    p_gap = (1 + int((np.abs(drawn_gaps) >= abs(gap) - 1e-12).sum())) / size
    tail = (1.0 - LEVEL) / 2.0
    verdict = "open"
    if p_gap <= tail:
        verdict = "overconfident" if gap > 0 else "underconfident"
    elif p_ece <= tail:
        verdict = "miscalibrated"
    low, high = np.quantile(by_chance, [tail, 1.0 - tail])
    chance = {"mean": float(by_chance.mean()), "low": float(low), "high": float(high), "level": LEVEL}
    return {"chance": chance | {"p_value": p_ece}, "gap": {"value": gap, "p_value": p_gap}, "verdict": verdict}
