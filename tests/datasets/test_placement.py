"""Placement: there and back again, and where resized pixels really are."""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.datasets.images import PADDING_GREY, resize_image
from app.datasets.placement import Placement, place_row
from app.datasets.preprocessing import Preprocessing, resolve_preprocessing
from app.datasets.table import ImageRecord
from app.schemas.export import ResizeRecipe

MODES = ("stretch", "crop", "letterbox")
SIDES = st.integers(1, 3000)
Mode = Literal["stretch", "crop", "letterbox"]


def make_place(mode: str, image_size: tuple[int, int], input_size: tuple[int, int]) -> Placement:
    """Return a placement whose crop leaves a margin."""
    size = [round(max(input_size) * 8 / 7)] if mode == "crop" else list(input_size)
    return Placement(ResizeRecipe(mode=cast("Mode", mode), size=size), image_size, input_size)


@settings(deadline=None, max_examples=200)
@given(
    mode=st.sampled_from(MODES),
    image_size=st.tuples(SIDES, SIDES),
    input_size=st.tuples(st.integers(16, 700), st.integers(16, 700)),
    points=st.lists(st.tuples(st.floats(-50, 3000), st.floats(-50, 3000)), min_size=1, max_size=5),
)
def test_points_come_back(mode: str, image_size: Any, input_size: Any, points: Any) -> None:
    place = make_place(mode, image_size, input_size)
    given_points = np.array(points)
    np.testing.assert_allclose(place.to_image(place.to_input(given_points)), given_points, atol=1e-6)
    boxes = np.concatenate([given_points, given_points + 7.0], axis=1)
    np.testing.assert_allclose(place.boxes_to_image(place.boxes_to_input(boxes)), boxes, atol=1e-6)
    left, top, right, bottom = place.window
    assert 0 <= left < right <= input_size[1]
    assert 0 <= top < bottom <= input_size[0]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("image_size", [(97, 151), (151, 97), (64, 64), (21, 20), (13, 40), (300, 233)])
@pytest.mark.parametrize("input_size", [(64, 64), (48, 77), (33, 31)])
def test_a_rectangle_is_found_where_it_is_placed(
    mode: str, image_size: tuple[int, int], input_size: tuple[int, int]
) -> None:
    place = make_place(mode, image_size, input_size)
    height, width = image_size
    seen = place.seen
    x1, x2 = (round(seen[0] + (seen[2] - seen[0]) * share) for share in (0.3, 0.6))
    y1, y2 = (round(seen[1] + (seen[3] - seen[1]) * share) for share in (0.35, 0.7))
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[y1:y2, x1:x2] = 255
    left, top, right, bottom = place.window
    pixels = resize_image(image, place.recipe, input_size)[..., 0].astype(float)
    shown = np.zeros(input_size)
    shown[top:bottom, left:right] = pixels[top:bottom, left:right]
    expected = place.boxes_to_input(np.array([[x1, y1, x2, y2]], dtype=np.float64))[0]
    rows, columns = np.nonzero(shown > 127)
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert np.abs(found - expected).max() <= 1.0
    (row_place, column_place), levels = np.indices(input_size) + 0.5, shown / shown.sum()
    middle = [(column_place * levels).sum(), (row_place * levels).sum()]
    assert np.abs(middle - expected.reshape(2, 2).mean(axis=0)).max() <= 0.1


@pytest.mark.parametrize("image_size", [(40, 90), (91, 40), (17, 200), (5, 3)])
def test_the_window_is_all_that_is_not_padding(image_size: tuple[int, int]) -> None:
    place = make_place("letterbox", image_size, (50, 61))
    pixels = resize_image(np.zeros((*image_size, 3), dtype=np.uint8), place.recipe, (50, 61))[..., 0]
    rows, columns = np.nonzero(pixels == 0)
    assert place.window == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert np.count_nonzero(pixels == PADDING_GREY) == 50 * 61 - len(rows)
    assert place.seen == pytest.approx((0.0, 0.0, image_size[1], image_size[0]))


def test_a_crop_sees_the_middle_and_a_stretch_everything() -> None:
    crop = Placement(ResizeRecipe(mode="crop", size=[60]), (120, 240), (50, 50))
    assert (crop.resized_size, crop.offset, crop.seen) == ((60, 120), (-35, -5), (70.0, 10.0, 170.0, 110.0))
    stretched = Placement(ResizeRecipe(mode="stretch", size=[50, 60]), (120, 240), (50, 60))
    assert (stretched.window, stretched.seen) == ((0, 0, 60, 50), (0.0, 0.0, 240.0, 120.0))


def test_boxes_are_cut_off_at_what_is_seen() -> None:
    boxes = np.array([[-9.0, 4.0, 20.0, 70.0], [80.0, 0.0, 90.0, 9.0]])
    crop = Placement(ResizeRecipe(mode="crop", size=[60]), (60, 120), (50, 50))
    assert crop.clip_boxes(boxes).tolist() == [[0.0, 4.0, 20.0, 50.0], [50.0, 0.0, 50.0, 9.0]]
    letterbox = Placement(ResizeRecipe(mode="letterbox", size=[50, 50]), (60, 120), (50, 50))
    assert letterbox.clip_boxes(boxes).tolist() == [[0.0, 12.0, 20.0, 37.0], [50.0, 12.0, 50.0, 12.0]]


def test_a_record_is_placed_by_its_sides_and_the_plan() -> None:
    plan: Preprocessing = resolve_preprocessing({"image_size": 40, "resize_mode": "letterbox"}, [])
    place = place_row(ImageRecord("a.png", 80, 20, ["train"], []), plan)
    assert (place.image_size, place.input_size, place.window) == ((20, 80), (40, 40), (0, 15, 40, 25))
