"""Whether a classifier is right as often as it says: expected calibration error and its bins. NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_BINS = 15


def measure_calibration(confidence: NDArray[np.float64], is_correct: NDArray[np.bool_]) -> dict[str, Any]:
    """Return `ece`, `num_bins` and `bins` of equal width (lower, upper]; an empty bin has null figures.

    ECE is the mean over the images of the gap between confidence and accuracy of their bin (Guo et al., 2017,
    "On Calibration of Modern Neural Networks").
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
    return {"ece": ece, "num_bins": NUM_BINS, "bins": bins}
