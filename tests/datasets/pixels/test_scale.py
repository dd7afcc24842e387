"""One scale for a dataset: what people's files hold, and what the range, its reason and its exceptions have to be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.datasets.pixels.colours import scale_to_8_bit
from app.datasets.pixels.scale import FoundScale, GreyRange, count_few_levels, find_scale, measure_greys
from app.schemas.pixels import PixelScale

Samples = np.ndarray[Any, Any]


def ramp(low: float, high: float, dtype: Any = np.float32, num: int = 4096) -> Samples:
    return np.linspace(low, high, num).astype(dtype).reshape(64, -1)


def measure(*images: Samples) -> list[GreyRange]:
    found = [measure_greys(image) for image in images]
    return [greys for greys in found if greys is not None]


def find(*images: Samples) -> FoundScale:
    return find_scale(measure(*images))


@pytest.mark.parametrize(
    ("images", "low", "high"),
    [
        ([ramp(0, 1), ramp(0, 1.0000002)], 0.0, 1.0),
        ([ramp(0, 0.4), ramp(0.2, 0.9)], 0.0, 1.0),
        ([ramp(0, 255)], 0.0, 255.0),
        ([ramp(0, 1023, np.uint16), ramp(0, 700, np.uint16)], 0.0, 1023.0),
        ([ramp(3, 4080, np.uint16)], 0.0, 4095.0),
        ([ramp(0, 4095, np.float32).round()], 0.0, 4095.0),
        ([ramp(0, 16000, np.uint16)], 0.0, 16383.0),
        ([ramp(0, 65535, np.uint16), ramp(0, 900, np.uint16)], 0.0, 65535.0),
        ([ramp(0, 65535, np.int32)], 0.0, 65535.0),
        ([ramp(0, 250, np.uint16)], 0.0, 255.0),
        ([ramp(290, 300), ramp(310, 320)], 290.0, 320.0),
        ([ramp(29_000, 31_000, np.uint16), ramp(30_500, 32_000, np.uint16)], 29_000.0, 32_000.0),
        ([ramp(-1024, 3071, np.int32), ramp(-1000, 200, np.int32)], -1024.0, 3071.0),
        ([ramp(-1, 1), ramp(0, 0.5)], -1.0, 1.0),
        ([ramp(0.4, 80), ramp(0.3, 0.9)], 0.3, 80.0),
        ([ramp(0, 900_000, np.int32)], 0.0, 900_000.0),
        ([ramp(0, 1e-4), ramp(0, 5e-5)], 0.0, 1e-4),
        ([ramp(0, 3, np.uint16)], 0.0, 3.0),
    ],
)
def test_the_range_is_what_files_of_this_kind_are_meant_to_have(images: list[Samples], low: float, high: float) -> None:
    found = find(*images)
    assert (found.scale.min, found.scale.max) == pytest.approx((low, high), rel=1e-6)
    assert found.scale.how
    assert (found.num_unit, found.num_clipped, found.has_zero_holes) == (0, 0, False)
    for image in images:
        assert np.unique(scale_to_8_bit(image, found.scale)).size > 2


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_holes_that_are_no_number_do_not_stretch_the_range(hole: float) -> None:
    image = ramp(2, 12)
    image[:4] = hole
    found = find(image)
    assert (found.scale.min, found.scale.max) == pytest.approx((image[4:].min(), 12.0), rel=1e-5)
    assert not scale_to_8_bit(image, found.scale)[:4].any()


def test_an_image_of_holes_only_has_no_range() -> None:
    assert measure_greys(np.full((4, 4), np.nan, np.float32)) is None


@pytest.mark.parametrize(("low", "high", "dtype"), [(290, 320, np.float32), (29_000, 32_000, np.uint16)])
def test_zeros_far_below_all_values_are_holes(low: float, high: float, dtype: Any) -> None:
    image = ramp(low, high, dtype)
    image[:8] = 0
    found = find(image, ramp(low + 1, high, dtype))
    assert found.has_zero_holes
    assert found.scale.min > 0.9 * low
    assert found.num_clipped == 0


def test_zeros_near_the_other_values_are_values() -> None:
    image = ramp(500, 8000, np.uint16)
    image[:8] = 0
    found = find(image)
    assert not found.has_zero_holes
    assert found.scale.min == 0.0


def test_one_outlier_does_not_take_the_levels_of_the_others() -> None:
    usual = [ramp(0, 4000 - number, np.uint16) for number in range(9)]
    found = find(*usual, ramp(0, 4e6, np.int32))
    assert (found.scale.max, found.num_clipped) == (4095.0, 1)


def test_single_wrong_pixels_do_not_stretch_the_range() -> None:
    images = [ramp(0, 1000 - number, np.uint16) for number in range(6)]
    for image in images:
        image[0, 0] = 65535
    found = find(*images)
    assert (found.scale.max, found.num_clipped) == (1023.0, 6)


def test_a_bright_image_among_few_is_no_outlier() -> None:
    found = find(ramp(0, 100), ramp(0, 2000.5))
    assert (found.scale.max, found.num_clipped) == (2000.5, 0)


@pytest.mark.parametrize("others", [[ramp(290, 300), ramp(310, 320)], [ramp(0, 65535, np.uint16)]])
def test_normalised_images_beside_measured_ones_keep_their_own_range(others: list[Samples]) -> None:
    units = [ramp(0, 1), ramp(0, 1.0000002)]
    found = find(*units, *others)
    assert (found.num_unit, found.scale.has_unit_images) == (2, True)
    first, second = (scale_to_8_bit(image, found.scale) for image in units)
    assert np.array_equal(first, second)
    assert (first.min(), first.max()) == (0, 255)
    means = [scale_to_8_bit(image, found.scale).mean() for image in others]
    assert means == sorted(means)
    assert len(set(means)) == len(others)


@pytest.mark.parametrize("value", [-7.5, 0.0, 0.25, 1.0, 300.0, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_constant_images_have_a_scale(value: float, dtype: Any) -> None:
    image = np.full((8, 8), min(value, 1e9) if dtype is np.int32 else value, dtype)
    found = find(image)
    assert found.scale.min < found.scale.max
    assert np.unique(scale_to_8_bit(image, found.scale)).size == 1
    assert count_few_levels(measure(image)[0], found.scale) is None


def test_collapsed_contrast_is_noticed_and_a_plain_picture_is_not() -> None:
    scale = PixelScale(min=0.0, max=65535.0)
    dark, mask = ramp(0, 900, np.uint16), np.where(ramp(0, 1) > 0.5, 65535, 0).astype(np.uint16)
    bright = ramp(70_000, 90_000, np.int32)
    counts = [count_few_levels(measure(image)[0], scale) for image in (dark, mask, bright, ramp(0, 60_000, np.uint16))]
    assert counts == [5, None, 1, None]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(
        st.one_of(
            arrays.arrays(np.float32, (3, 4), elements=st.floats(width=32)),
            arrays.arrays(np.int32, (3, 4), elements=st.integers(-(2**31), 2**31 - 1)),
            arrays.arrays(np.uint16, (3, 4), elements=st.integers(0, 65535)),
        ),
        min_size=1,
        max_size=7,
    )
)
def test_any_values_have_a_scale_that_orders_them(images: list[Samples]) -> None:
    ranges = measure(*images)
    if not ranges:
        return
    found = find_scale(ranges)
    for image in images:
        levels = scale_to_8_bit(image, found.scale)
        finite = np.isfinite(image)
        order = np.argsort(image[finite], kind="stable")
        assert (np.diff(levels[finite][order].astype(int)) >= 0).all()
        assert not levels[~finite].any()
