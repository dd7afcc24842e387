"""Intervals of the sizes of errors: MAE, MSE, RMSE, and R² through the share of the spread that is left over.

Each is a positive figure whose estimate is skewed, so the interval is a bootstrap t on the logarithm (Efron and
Tibshirani 1993, chapter 12). The bootstrap knows only the errors that were seen. The end on the side of larger errors
therefore allows for one more image, whose error is extrapolated from the tail of the errors (Hill's estimate): hardly
more than the largest of evenly spread errors, several times it where the tail is heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.tasks.proportions import LEVEL, describe_interval

METHOD = "log_bootstrap_t"
RESAMPLES = 2000
MIN_RESAMPLES = 400
MAX_DRAWN = 100_000_000
MAX_INDICES = 1 << 21
SEED = 20_240_601

MIN_IMAGES = 10
MIN_NON_ZERO = 5
# Beyond this share of the squared errors, one image is the figure and says little of the next one.
MAX_SHARE = 0.75
# An upper end this many times the figure says nothing.
MAX_FACTOR = 100.0
TAIL_BASE, TAIL_FLOOR = 100.0, 0.15

Floats = NDArray[np.float64]
NAMES = ("mae", "mse", "rmse", "r_squared")


@dataclass(frozen=True)
class Measured:
    """Intervals by metric, and for each metric without one the reason."""

    intervals: dict[str, dict[str, Any]]
    reasons: dict[str, str]


@dataclass(frozen=True)
class _Pool:
    """The images of one value or of several, whose metrics are averaged: all arrays are (images, values).

    `combined` has, for each metric, one number per image whose mean moves as the metric does (delta method).
    """

    absolute: Floats
    squared: Floats
    centred: Floats
    spread: Floats
    combined: dict[str, Floats]


def error_intervals(truth: Floats, predictions: Floats, between_chunks: Callable[[], None]) -> list[Measured]:
    """Return what is known of each value of (images, values), and last of their average where there are several.

    `between_chunks` may raise to end the work.
    """
    errors, num_values = predictions - truth, truth.shape[1]
    groups = [[value] for value in range(num_values)] + ([list(range(num_values))] if num_values > 1 else [])
    reasons = [_find_reasons(np.abs(errors[:, value]), truth[:, value]) for value in range(num_values)]
    of_group = [{name: why for value in group for name, why in reasons[value].items()} for group in groups]
    pools = [
        _pool(errors[:, group], truth[:, group]) if len(why) < len(NAMES) else None
        for group, why in zip(groups, of_group, strict=True)
    ]
    draws = _draw([pool for pool in pools if pool is not None], len(truth), between_chunks)
    measured = [
        Measured({}, why) if pool is None else _measure(pool, next(draws), why)
        for pool, why in zip(pools, of_group, strict=True)
    ]
    return [*measured[:num_values], *(_add_average(item, measured[:num_values]) for item in measured[num_values:])]


def _add_average(average: Measured, values: Sequence[Measured]) -> Measured:
    """Add the average R², whose ends are the averages of the ends: right even where the values fail together."""
    why = next((item.reasons["r_squared"] for item in values if "r_squared" in item.reasons), None)
    if why is not None:
        return Measured(average.intervals, average.reasons | {"r_squared": why})
    each = [item.intervals["r_squared"] for item in values]
    low, high = (sum(item[end] for item in each) / len(each) for end in ("low", "high"))
    interval = describe_interval(low, high, METHOD, min(item["resamples"] for item in each))
    return Measured(average.intervals | {"r_squared": interval}, average.reasons)


def _find_reasons(absolute: Floats, truth: Floats) -> dict[str, str]:
    """Return why a metric of one value cannot have an interval, by the name of the metric."""
    total = np.square(absolute).sum()
    if len(absolute) < MIN_IMAGES:
        return dict.fromkeys(NAMES, f"An error's interval needs at least {MIN_IMAGES} images.")
    if np.count_nonzero(absolute) < MIN_NON_ZERO:
        return dict.fromkeys(NAMES, f"Fewer than {MIN_NON_ZERO} images have an error at all.")
    if np.ptp(absolute) <= 1e-12 * absolute.max():
        return dict.fromkeys(NAMES, "Every image has the same error.")
    reasons: dict[str, str] = {}
    if np.square(absolute).max() > MAX_SHARE * total:
        why = f"One image makes more than {MAX_SHARE:.0%} of the squared error.".replace("%", " %")
        reasons |= dict.fromkeys(("mse", "rmse", "r_squared"), why)
    spread = np.square(truth - truth.mean())
    if np.ptp(truth) == 0.0 or spread.max() > MAX_SHARE * spread.sum():
        reasons.setdefault("r_squared", "The targets hardly differ from image to image.")
    return reasons


def _pool(errors: Floats, truth: Floats) -> _Pool:
    absolute, squared, centred = np.abs(errors), np.square(errors), truth - truth.mean(axis=0)
    mse, num_values = squared.mean(axis=0), errors.shape[1]
    combined = {
        "mae": absolute.mean(axis=1),
        "mse": squared.mean(axis=1),
        "rmse": squared @ (1.0 / (2.0 * num_values * np.sqrt(np.where(mse > 0, mse, 1.0)))),
    }
    return _Pool(absolute, squared, centred, np.square(centred), combined)


def _columns(pool: _Pool) -> Floats:
    numbers = np.stack(list(pool.combined.values()), axis=1)
    products = [pool.squared * pool.spread, np.square(pool.spread)]
    return np.concatenate(
        [pool.absolute, pool.squared, pool.centred, pool.spread, numbers, np.square(numbers), *products], axis=1
    )


def _draw(pools: Sequence[_Pool], num_images: int, between_chunks: Callable[[], None]) -> Iterator[Floats]:
    """Yield for each pool the means of its columns over each draw of images, (draws, columns)."""
    if not pools:
        return
    columns = [_columns(pool) for pool in pools]
    everything = np.concatenate(columns, axis=1)
    draws = max(MIN_RESAMPLES, min(RESAMPLES, MAX_DRAWN // num_images))
    rows, generator, parts = max(1, MAX_INDICES // num_images), np.random.default_rng(SEED), []
    for start in range(0, draws, rows):
        between_chunks()
        size = min(rows, draws - start)
        indices = generator.integers(0, num_images, size=(size, num_images), dtype=np.int64)
        indices += (np.arange(size, dtype=np.int64) * num_images)[:, None]
        times = np.bincount(indices.ravel(), minlength=size * num_images).reshape(size, num_images)
        parts.append(times.astype(np.float64) @ everything / num_images)
    means, at = np.concatenate(parts), 0
    for part in columns:
        yield means[:, at : at + part.shape[1]]
        at += part.shape[1]


@dataclass(frozen=True)
class _Estimate:
    """Logarithms of the metrics and their standard errors along the draws; R², of one value only, as what it leaves."""

    log: dict[str, Floats]
    error: dict[str, Floats]


def _estimate(means: Floats, num_values: int, num_images: int) -> _Estimate:
    """Return the estimates from the means of columns, (draws, columns)."""
    absolute, squared, centred, spread = (means[:, index * num_values : (index + 1) * num_values] for index in range(4))
    numbers, squares = np.split(means[:, 4 * num_values : 4 * num_values + 6], 2, axis=1)
    deviation = np.sqrt(np.maximum(0.0, squares - np.square(numbers)) / (num_images - 1))
    figures = {
        "mae": absolute.mean(axis=1),
        "mse": squared.mean(axis=1),
        "rmse": np.sqrt(squared).mean(axis=1),
    }
    # The number per image of RMSE has half of it as its mean.
    errors = {name: deviation[:, index] / numbers[:, index] for index, name in enumerate(figures)}
    errors["rmse"] = errors["rmse"] / 2.0
    if num_values == 1:
        mse, variance = squared[:, 0], (spread - np.square(centred))[:, 0]
        product, fourth = means[:, 4 * num_values + 6], means[:, 4 * num_values + 7]
        figures["r_squared"] = mse / variance
        # An image moves the logarithm of the quotient by e² / mean(e²) - d² / variance.
        moved = squares[:, 1] / mse**2 - 2.0 * product / (mse * variance) + fourth / variance**2
        centre = 1.0 - spread[:, 0] / variance
        errors["r_squared"] = np.sqrt(np.maximum(0.0, moved - centre**2) / (num_images - 1))
    return _Estimate({name: np.log(value) for name, value in figures.items()}, errors)


def _measure(pool: _Pool, means: Floats, reasons: dict[str, str]) -> Measured:
    num_images, num_values = pool.absolute.shape
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = _estimate(_columns(pool).mean(axis=0, keepdims=True), num_values, num_images)
        drawn = _estimate(means, num_values, num_images)
        intervals, reasons = {}, dict(reasons)
        for name in whole.log:
            if name in reasons:
                continue
            t = (drawn.log[name] - whole.log[name]) / drawn.error[name]
            # A draw without any error is as far off as can be; one without spread says nothing of R².
            t = np.clip(t[~np.isnan(t)], -1e6, 1e6)
            tail = (1.0 - LEVEL) / 2.0
            least, most = np.quantile(t, [tail, 1.0 - tail]) if len(t) else (-np.inf, np.inf)
            error = float(whole.error[name][0])
            down, up = float(most) * error, -float(least) * error
            if not (np.isfinite(down) and up < np.log(MAX_FACTOR)):
                reasons[name] = "A few images decide this figure."
                continue
            low, high = _widen(pool, name, float(np.exp(-max(0.0, down))), float(np.exp(max(0.0, up))))
            intervals[name] = describe_interval(low, high, METHOD, len(t))
    return Measured(intervals, reasons)


def _widen(pool: _Pool, name: str, shrunk: float, grown: float) -> tuple[float, float]:
    """Return the ends from the factors of the bootstrap; the end of larger errors has one more image in it."""
    num_images, power = len(pool.absolute), 1 if name == "mae" else 2
    size = (pool.absolute if power == 1 else pool.squared).mean(axis=0)
    unseen = extrapolate(pool.absolute) ** power
    # RMSE is averaged over the values after its root was taken, so its factor applies to the squares twice.
    factor = np.square(grown) if name == "rmse" else grown
    larger = (num_images * factor * size + unseen) / (num_images + 1)
    if name == "rmse":
        return float(shrunk * np.sqrt(size).mean()), float(np.sqrt(larger).mean())
    if name == "r_squared":
        # A target unlike the others would make the spread larger, and the same errors a smaller part of it.
        variance = pool.spread.mean(axis=0)
        wider = (num_images * variance + np.square(extrapolate(np.abs(pool.centred)))) / (num_images + 1)
        return float(1.0 - (larger / variance).mean()), float(1.0 - (shrunk * size / wider).mean())
    return float(shrunk * size.mean()), float(larger.mean())


def extrapolate(absolute: Floats) -> Floats:
    """Return for each column of absolute errors the error of an image like none that was seen."""
    ordered = np.sort(absolute, axis=0)
    num_tail = min(len(absolute) - 1, max(8, len(absolute) // 5))
    # Where most errors are 0, the tail is what is left of them.
    smallest = np.where(absolute > 0, absolute, np.inf).min(axis=0)
    base = np.maximum(ordered[-num_tail - 1], np.where(np.isfinite(smallest), smallest, 1.0))
    heaviness = np.log(np.maximum(ordered[-num_tail:], base) / base).mean(axis=0)
    return np.asarray(ordered[-1] * TAIL_BASE ** np.maximum(0.0, heaviness - TAIL_FLOOR))
