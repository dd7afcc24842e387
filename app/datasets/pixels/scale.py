"""Finds the one scale that turns values beyond 8 bit into grey levels, from what is measured of each image.

Scaling each image by itself would throw away what such images are about: that one is warmer, farther or denser.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from app.datasets.pixels.colours import UNIT_TOLERANCE, scale_to_8_bit
from app.datasets.pixels.tiff_samples import Samples
from app.schemas.pixels import PixelScale

GIVEN = "set by hand"
FEW_LEVELS = 8
_MAX_SAMPLED = 65_536
_NUM_QUANTILES = 32
# A file of 16 bits that uses less than this share of a depth is not of that depth.
_LEAST_SHARE = 0.25
_DEPTHS = ((255, 8), (1023, 10), (4095, 12), (16383, 14), (65535, 16))
# Beyond this ratio of all values to the usual ones, the usual ones would share fewer than 32 grey levels.
_OUTLIER_RATIO = 8.0
_OUTLIER_SHARE = 0.05
_FEWEST_FOR_OUTLIERS = 5


class GreyRange(NamedTuple):
    """The values of one image, without holes such as NaN. `usual` are quantiles of 0.1 and 99.9 %.

    `quantiles` are some of them from the least to the greatest, in the type of the file.
    """

    low: float
    high: float
    usual_low: float
    usual_high: float
    least_above_zero: float
    is_float: bool
    is_whole: bool
    quantiles: Samples

    @property
    def is_unit(self) -> bool:
        """Whether these are floating-point values from 0 to 1, but for rounding."""
        return self.is_float and self.low >= -UNIT_TOLERANCE and self.high <= 1.0 + UNIT_TOLERANCE

    @property
    def floor(self) -> float:
        """The least value, or the least above 0 where 0 may stand for a hole."""
        return self.least_above_zero if self.low == 0.0 else self.low


class FoundScale(NamedTuple):
    """A scale with what is notable about it: images read as 0 to 1, images with values outside, holes of value 0."""

    scale: PixelScale
    num_unit: int = 0
    num_clipped: int = 0
    has_zero_holes: bool = False


def measure_greys(samples: Samples) -> GreyRange | None:
    """Return the range of an image's values; None when not one is a finite number."""
    is_float = samples.dtype.kind == "f"
    values = samples.ravel()
    if is_float and not (finite := np.isfinite(values)).all():
        values = values[finite]
    if not values.size:
        return None
    sample = np.sort(values[:: max(1, values.size // _MAX_SAMPLED)])
    last = sample.size - 1
    return GreyRange(
        low=float(values.min()),
        high=float(values.max()),
        usual_low=float(sample[round(0.001 * last)]),
        usual_high=float(sample[round(0.999 * last)]),
        least_above_zero=float(np.min(values, initial=values.max(), where=values > 0)),
        is_float=is_float,
        is_whole=not is_float or bool(np.all(sample == np.rint(sample))),
        quantiles=sample[np.linspace(0, last, _NUM_QUANTILES).round().astype(int)],
    )


def count_few_levels(greys: GreyRange, scale: PixelScale) -> int | None:
    """Return how many grey levels an image gets, where these are few and stand for many more values; else None."""
    num_levels = np.unique(scale_to_8_bit(greys.quantiles, scale)).size
    return num_levels if num_levels < min(FEW_LEVELS, np.unique(greys.quantiles).size) else None


def find_scale(ranges: Sequence[GreyRange]) -> FoundScale:
    """Return the scale of a dataset's images beyond 8 bit, at least one of them."""
    units = [item for item in ranges if item.is_unit]
    others = [item for item in ranges if not item.is_unit]
    if units and others and _are_other_things(units, others):
        found = _scale_all(others)
        return found._replace(scale=found.scale.model_copy(update={"has_unit_images": True}), num_unit=len(units))
    return _scale_all(ranges)


def _are_other_things(units: Sequence[GreyRange], others: Sequence[GreyRange]) -> bool:
    """Say whether images from 0 to 1 are normalised ones beside measured values, not small values of the same kind."""
    if max(item.high for item in units) < 0.5:
        return False
    is_apart = all(item.floor > 1.0 + UNIT_TOLERANCE for item in others)
    is_whole = all(item.is_whole for item in others)
    return (is_apart or is_whole) and max(item.high for item in others) >= 32.0


def _scale_all(ranges: Sequence[GreyRange]) -> FoundScale:
    low, high = min(item.low for item in ranges), max(item.high for item in ranges)
    least = min(item.least_above_zero for item in ranges if item.least_above_zero > 0.0) if high > 0.0 else high
    has_zero_holes = low == 0.0 and high > least and least > 2.0 * (high - least)
    usual_low, usual_high = _find_usual(ranges)
    if has_zero_holes:
        low = least
        usual_low = max(usual_low, least)
    if usual_high > usual_low and high - low > _OUTLIER_RATIO * (usual_high - usual_low):
        low, high = usual_low, usual_high
    scale = _name_range(low, high, ranges)
    lows = [item.floor if has_zero_holes else item.low for item in ranges]
    outside = [item for item, least in zip(ranges, lows, strict=True) if item.high > scale.max or least < scale.min]
    num_clipped = 0 if scale.max == 1.0 else len(outside)  # beyond 1 only by rounding
    return FoundScale(scale, num_clipped=num_clipped, has_zero_holes=has_zero_holes)


def _find_usual(ranges: Sequence[GreyRange]) -> tuple[float, float]:
    """Return the usual range without the few images that stand out the most; none does among fewer than five."""
    lows = sorted(item.usual_low for item in ranges)
    highs = sorted(item.usual_high for item in ranges)
    last = len(ranges) - 1
    share = _OUTLIER_SHARE if len(ranges) >= _FEWEST_FOR_OUTLIERS else 0.0
    left_out = int(np.ceil(share * last))
    return lows[left_out], highs[last - left_out]


def _name_range(low: float, high: float, ranges: Sequence[GreyRange]) -> PixelScale:
    """Return the range that files of this kind are meant to have, else the one that was found."""
    span = high - low
    is_float = any(item.is_float for item in ranges)
    if is_float and low >= -UNIT_TOLERANCE and high <= 1.0 + UNIT_TOLERANCE and span >= _LEAST_SHARE:
        return PixelScale(min=0.0, max=1.0, how="values from 0 to 1")
    is_eight_bit = low >= 0.0 and 240.0 <= high <= 255.0 + 255.0 * UNIT_TOLERANCE and span >= 128.0
    if is_float and is_eight_bit:
        return PixelScale(min=0.0, max=255.0, how="values from 0 to 255")
    if low >= 0.0 and all(item.is_whole for item in ranges):
        for limit, bits in _DEPTHS:
            if high <= limit:
                if span >= _LEAST_SHARE * limit:
                    return PixelScale(min=0.0, max=float(limit), how=f"values of {bits} bits")
                break
    if span > 0.0:
        return PixelScale(min=low, max=high, how="the smallest and the largest value of the images, without outliers")
    return _widen(low, is_float=is_float)


def _widen(value: float, *, is_float: bool) -> PixelScale:
    """Return a range around the only value of a dataset; an image of one level is no error."""
    how = "all values are the same"
    if 0.0 <= value <= 1.0 and is_float:
        return PixelScale(min=0.0, max=1.0, how=how)
    if 0.0 <= value <= 65535.0:
        return PixelScale(min=0.0, max=65535.0 if value > 255.0 and not is_float else max(255.0, value), how=how)
    return PixelScale(min=min(0.0, value), max=max(0.0, value), how=how)
