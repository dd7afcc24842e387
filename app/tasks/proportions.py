"""Intervals of shares, and of averages of shares over classes. Closed forms: nothing is drawn.

A share (accuracy, the recall of one class) has Clopper and Pearson's exact interval, which is never empty: 40 of 40
right gives 0.91 to 1. An average over classes adds up the distances between each class's share and the ends of its own
interval, in quadrature (Zou and Donner 2008, "Construction of confidence limits about effect measures"). So a class
with two images keeps the uncertainty that two images have, which a bootstrap of those two images does not.

Near 0 and 1 the inner distances of single classes are cut short by the edge, while their sum is not: thirty classes
with one mistake in ten images each would seem surer than 300 images are. So no end is nearer than 1.96 standard
deviations of Jeffreys' posterior (Brown, Cai and DasGupta 2001), which a class without mistakes has too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri

LEVEL = 0.95
DEVIATIONS = float(ndtri(1.0 - (1.0 - LEVEL) / 2.0))
METHOD_SHARE = "clopper_pearson"
METHOD_AVERAGE = "combined_clopper_pearson"
# An average says nothing when more of its classes than this were never seen.
MAX_UNSEEN_SHARE = 0.25

Floats = NDArray[np.float64]


def exact_limits(hits: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Return both ends of Clopper and Pearson's interval of each share; 0 to 1 where the count is 0."""
    tail = (1.0 - LEVEL) / 2.0
    misses = counts - hits
    # The inverse has no value at a parameter of 0; those ends are known.
    low = np.where(hits > 0, betaincinv(np.maximum(hits, 1.0), misses + 1.0, tail), 0.0)
    high = np.where(misses > 0, betaincinv(hits + 1.0, np.maximum(misses, 1.0), 1.0 - tail), 1.0)
    return low, high


def describe_interval(low: float, high: float, method: str, resamples: int = 0) -> dict[str, Any]:
    """Return an interval as aggregate.json holds it; `resamples` is 0 for a closed form."""
    return {"low": low, "high": high, "level": LEVEL, "resamples": resamples, "method": method}


def share_interval(hits: float, count: float) -> dict[str, Any]:
    """Return the interval of one share."""
    low, high = exact_limits(np.array([hits], dtype=np.float64), np.array([count], dtype=np.float64))
    return describe_interval(float(low[0]), float(high[0]), METHOD_SHARE)


def average_interval(
    hits: Floats,
    counts: Floats,
    correlation: Floats | None = None,
    shape: Callable[[Floats], Floats] = lambda share: share,
    shift: float = 0.0,
) -> dict[str, Any]:
    """Return the interval of the average of shape(share) over all classes, those that were never counted included.

    A class with a count of 0 counts as 0 in the lower end and as 1 in the upper one. `correlation` (classes, classes)
    is that between the estimates of the classes, None where they are independent. `shift` is added to the upper end.
    """
    is_seen = counts > 0
    shares = hits[is_seen] / counts[is_seen]
    low, high = exact_limits(hits[is_seen], counts[is_seen])
    values = shape(shares)
    down, up = values - shape(low), shape(high) - values
    related = None if correlation is None else correlation[np.ix_(is_seen, is_seen)]
    total, num_unseen, num_classes = float(values.sum()), int((~is_seen).sum()), len(counts)
    # The ends of a single class are exact as they are.
    deviations = _find_deviations(hits[is_seen], counts[is_seen], shape)
    least = DEVIATIONS * _add_up(deviations, related) if len(deviations) > 1 else 0.0
    below, above = max(least, _add_up(down, related)), max(least, _add_up(up, related))
    return describe_interval(
        max(0.0, (total - below) / num_classes),
        min(1.0, (total + num_unseen + above) / num_classes + shift),
        METHOD_AVERAGE,
    )


def _find_deviations(hits: Floats, counts: Floats, shape: Callable[[Floats], Floats]) -> Floats:
    """Return the standard deviation of shape(share) of each class: of a beta distribution of hits and misses + 1/2."""
    share = (hits + 0.5) / (counts + 1.0)
    deviation = np.sqrt(share * (1.0 - share) / (counts + 2.0))
    return (shape(np.minimum(1.0, share + deviation)) - shape(np.maximum(0.0, share - deviation))) / 2.0


def macro_intervals(confusion: Floats) -> dict[str, dict[str, Any]]:
    """Return the intervals of the macro averages of recall, precision and F1, over every row of the matrix
    (truth, prediction)."""
    hits, images, predictions = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    # F1 is 2 J / (1 + J) of the share J of hits among the images that belong to a class or are called so. The curve
    # is concave, so few images make F1 too small on average; the upper end makes up for it (second-order term).
    either = images + predictions - hits
    share = (hits + 0.5) / (either + 1.0)
    lost = 2.0 * share * (1.0 - share) / ((1.0 + share) ** 3 * np.maximum(either, 1.0))
    shift = float(np.where(either > 0, lost, 0.0).sum() / len(confusion))
    return {
        "recall_macro": average_interval(hits, images),
        "precision_macro": average_interval(hits, predictions),
        "f1_macro": average_interval(
            hits, either, _correlate_f1(confusion), lambda share: 2.0 * share / (1.0 + share), shift
        ),
    }


def _correlate_f1(confusion: Floats) -> Floats:
    """Return how the estimates of F1 of the classes hang together: one mistake lowers that of two classes.

    Delta method; half a count is added so that no mistakes among few images do not pass for independence.
    """
    num_classes = len(confusion)
    pseudo = 0.5 / max(1, num_classes - 1)
    confused = (confusion + confusion.T) + 2.0 * pseudo
    np.fill_diagonal(confused, 0.0)
    hits, mistakes = np.diag(confusion) + 0.5, confused.sum(axis=1)
    f1 = 2.0 * hits / (2.0 * hits + mistakes)
    deviation = np.sqrt(hits * np.square(2.0 - 2.0 * f1) + mistakes * np.square(f1))
    scaled = f1 / np.where(deviation > 0, deviation, 1.0)
    correlation: Floats = confused * np.outer(scaled, scaled)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def _add_up(distances: Floats, correlation: Floats | None) -> float:
    squared = distances @ distances if correlation is None else distances @ correlation @ distances
    return float(np.sqrt(max(0.0, float(squared))))
