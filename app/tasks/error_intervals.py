"""Intervals of the sizes of errors: MAE, MSE, RMSE, and R² through the share of the spread that is left over.

Each is a mean of figures that are 0 or more and that nothing bounds. Were they bounded by B, the mean would lie below
the 97.5 % quantile of sum(w * figures) + w_beyond * B, with w and w_beyond drawn evenly from all weights that add up
to 1 (Learned-Miller and Thomas 2019, "A new confidence interval for the mean of a bounded random variable"). The lower
end has a 0 in place of B. w_beyond is the share of images that are further off than the worst that was seen; in place
of B stands the mean of their figures under a Pareto tail of the errors, whose shape is drawn from its posterior (Hill
1975; the size of the tail and the prior on the shape of the squares, worth ten images, are those of Vehtari et al.
2024, "Pareto smoothed importance sampling").

No interval is withheld for an outlier: that would leave those samples that happen to show none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.tasks.proportions import LEVEL, describe_interval

METHOD = "pareto_mean_bound"
RESAMPLES = 2000
MIN_RESAMPLES = 400
MAX_DRAWN = 100_000_000
MAX_AT_ONCE = 1 << 21
SEED = 20_240_601

MIN_IMAGES = 10
MIN_NON_ZERO = 5
# Beyond this share of the spread of the targets, one image is the spread.
MAX_SHARE = 0.75
MIN_TAIL = 5
PRIOR_SHAPE, PRIOR_IMAGES = 0.5, 10.0
# The shape is that of the squares, twice that of the errors. From 1 on they would have no mean, and the model no RMSE;
# at this one the mean beyond the largest square is 20 times that square.
MAX_SHAPE = 0.95

Floats = NDArray[np.float64]
NAMES = ("mae", "mse", "rmse", "r_squared")


@dataclass(frozen=True)
class ErrorIntervals:
    """Intervals by metric, and for each metric without one the reason."""

    intervals: dict[str, dict[str, Any]]
    reasons: dict[str, str]


@dataclass(frozen=True)
class _Ends:
    """A metric along the draws, (draws, values): with smaller errors beyond those that were seen, and with larger."""

    smaller: Floats
    larger: Floats


def error_intervals(truth: Floats, predictions: Floats, between_chunks: Callable[[], None]) -> list[ErrorIntervals]:
    """Return what is known of each value of (images, values), and last of their average where there are several.

    `between_chunks` may raise to end the work.
    """
    errors, num_values = predictions - truth, truth.shape[1]
    groups = [[value] for value in range(num_values)] + ([list(range(num_values))] if num_values > 1 else [])
    reasons = [_find_reasons(np.abs(errors[:, value]), truth[:, value]) for value in range(num_values)]
    of_group = [{name: why for value in group for name, why in reasons[value].items()} for group in groups]
    if all(len(why) == len(NAMES) for why in of_group):
        return [ErrorIntervals({}, why) for why in of_group]
    drawn = _draw(errors, truth, between_chunks)
    whole = _measure(errors, truth)
    return [_summarize(drawn, whole, group, why) for group, why in zip(groups, of_group, strict=True)]


def share_unseen(num_images: int) -> float:
    """Return the largest share of all images that can be of a kind that none of these shows (in 5 % of samples)."""
    return float(1.0 - (1.0 - LEVEL) ** (1.0 / num_images))


def _find_reasons(absolute: Floats, truth: Floats) -> dict[str, str]:
    """Return why a metric of one value cannot have an interval, by the name of the metric."""
    if len(absolute) < MIN_IMAGES:
        return dict.fromkeys(NAMES, f"An interval needs at least {MIN_IMAGES} images.")
    if np.count_nonzero(absolute) < MIN_NON_ZERO:
        return dict.fromkeys(NAMES, f"Fewer than {MIN_NON_ZERO} images have an error at all.")
    if np.ptp(absolute) <= 1e-12 * absolute.max():
        return dict.fromkeys(NAMES, "Every image has the same error.")
    spread = np.square(truth - truth.mean())
    if np.ptp(truth) == 0.0 or spread.max() > MAX_SHARE * spread.sum():
        return {"r_squared": "The targets hardly differ from image to image."}
    return {}


def _measure(errors: Floats, truth: Floats) -> dict[str, Floats]:
    """Return each metric of each value; for R² what it leaves over."""
    mse, variance = np.square(errors).mean(axis=0), truth.var(axis=0)
    left_over = np.divide(mse, variance, out=np.ones_like(mse), where=variance > 0)
    return {"mae": np.abs(errors).mean(axis=0), "mse": mse, "rmse": np.sqrt(mse), "r_squared": left_over}


def _draw(errors: Floats, truth: Floats, between_chunks: Callable[[], None]) -> dict[str, _Ends]:
    """Return each metric of each value along the draws; for R² what it leaves over."""
    absolute, centred = np.abs(errors), truth - truth.mean(axis=0)
    squared, spread = np.square(errors), np.square(centred)
    means, beyond = _draw_means(np.concatenate([absolute, squared, centred, spread], axis=1), between_chunks)
    mae, mse, shift, second = np.split(means, 4, axis=1)
    shape, shape_of_targets = _draw_shape(absolute, len(means)), _draw_shape(np.abs(centred), len(means))
    # The mean of a Pareto tail of shape k beyond x is x / (1 - k).
    larger_mae = mae + beyond * absolute.max(axis=0) / (1.0 - shape / 2.0)
    larger_mse = mse + beyond * squared.max(axis=0) / (1.0 - shape)
    larger_second = second + beyond * spread.max(axis=0) / (1.0 - shape_of_targets)
    # A further target at the mean leaves the spread as it is; one unlike the others makes it larger, and the same
    # errors a smaller part of it.
    tiny = np.finfo(np.float64).tiny
    variance, wider = (np.maximum(moment - np.square(shift), tiny) for moment in (second, larger_second))
    return {
        "mae": _Ends(mae, larger_mae),
        "mse": _Ends(mse, larger_mse),
        "rmse": _Ends(np.sqrt(mse), np.sqrt(larger_mse)),
        "r_squared": _Ends(mse / wider, larger_mse / variance),
    }


def _draw_means(columns: Floats, between_chunks: Callable[[], None]) -> tuple[Floats, Floats]:
    """Return sums of the columns under random weights, (draws, columns), and the weight that is left, (draws, 1)."""
    num_images, generator = len(columns), np.random.default_rng(SEED)
    draws = max(MIN_RESAMPLES, min(RESAMPLES, MAX_DRAWN // num_images))
    rows, means, beyond = max(1, MAX_AT_ONCE // (num_images + 1)), [], []
    for start in range(0, draws, rows):
        between_chunks()
        # Exponential numbers divided by their sum are even over all weights that add up to 1.
        weights = generator.standard_exponential((min(rows, draws - start), num_images + 1))
        total = weights.sum(axis=1, keepdims=True)
        means.append(weights[:, :-1] @ columns / total)
        beyond.append(weights[:, -1:] / total)
    return np.concatenate(means), np.concatenate(beyond)


def _draw_shape(sizes: Floats, draws: int) -> Floats:
    """Return draws of the shape of a Pareto tail of the squares of each column, (draws, columns)."""
    num_images = len(sizes)
    num_tail = max(MIN_TAIL, min(num_images // 5, int(3.0 * np.sqrt(num_images))))
    ordered = np.sort(sizes, axis=0)
    # Where most sizes are 0, the tail is what is left of them.
    smallest = np.where(sizes > 0, sizes, np.inf).min(axis=0)
    base = np.maximum(ordered[-num_tail - 1], np.where(np.isfinite(smallest), smallest, 1.0))
    logs = 2.0 * np.log(np.maximum(ordered[-num_tail:], base) / base).sum(axis=0)
    # The logarithms of a Pareto tail are exponential, so its shape has an inverse gamma distribution.
    gamma = np.random.default_rng(SEED + 1).gamma(num_tail + PRIOR_IMAGES, size=(draws, 1))
    return np.asarray(np.minimum((logs + PRIOR_SHAPE * PRIOR_IMAGES) / gamma, MAX_SHAPE))


def _summarize(
    drawn: dict[str, _Ends], whole: dict[str, Floats], group: Sequence[int], reasons: dict[str, str]
) -> ErrorIntervals:
    """Return the intervals of the average over a group of values."""
    intervals, tail = {}, (1.0 - LEVEL) / 2.0
    for name, ends in drawn.items():
        if name in reasons:
            continue
        value = float(whole[name][group].mean())
        low = min(value, float(np.quantile(ends.smaller[:, group].mean(axis=1), tail)))
        high = max(value, float(np.quantile(ends.larger[:, group].mean(axis=1), 1.0 - tail)))
        if name == "r_squared":
            low, high = 1.0 - high, 1.0 - low
        intervals[name] = describe_interval(low, high, METHOD, len(ends.larger))
    return ErrorIntervals(intervals, reasons)
