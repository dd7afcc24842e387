"""How the errors of one value are spread: bins for a histogram. NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_BINS = 21


def count_residuals(errors: NDArray[np.float64]) -> dict[str, Any]:
    """Return `mean`, `deviation` and `bins` of equal width around 0, so that the bin in the middle holds the hits.

    Errors are prediction minus truth (images,). The outer edges are at the largest absolute error; when there is no
    error at all, one bin holds everything.
    """
    reach = float(np.abs(errors).max())
    edges = np.linspace(-reach, reach, NUM_BINS + 1) if reach > 0.0 else np.zeros(2)
    counts = np.histogram(errors, edges)[0] if reach > 0.0 else np.array([len(errors)])
    bins = [
        {"lower": float(edges[index]), "upper": float(edges[index + 1]), "count": int(count)}
        for index, count in enumerate(counts)
    ]
    return {"mean": float(errors.mean()), "deviation": float(errors.std()), "bins": bins}
