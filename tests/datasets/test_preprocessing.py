"""The preprocessing that settings come to."""

from __future__ import annotations

from typing import Any

import pytest

from app.datasets.preprocessing import IMAGENET_MEAN, resolve_preprocessing
from app.schemas.tasks import AugmentationEntry


def entry(name: str, **params: Any) -> AugmentationEntry:
    return AugmentationEntry(name=name, params=params)


@pytest.mark.parametrize(("mode", "size"), [("stretch", [224, 224]), ("letterbox", [224, 224]), ("crop", [256])])
def test_the_mode_decides_how_the_image_size_is_reached(mode: str, size: list[int]) -> None:
    found = resolve_preprocessing({"image_size": 224, "resize_mode": mode}, [])
    assert found.input_size == (224, 224)
    assert (found.recipe.mode, found.recipe.size) == (mode, size)


def test_entries_without_a_size_change_nothing() -> None:
    entries = [entry("Resize"), entry("Normalize")]
    found = resolve_preprocessing({"image_size": 64, "resize_mode": "letterbox"}, entries)
    assert found == resolve_preprocessing({"image_size": 64, "resize_mode": "letterbox"}, [])
    assert found.mean == IMAGENET_MEAN


def test_resize_to_two_sides_stretches() -> None:
    found = resolve_preprocessing({"image_size": 64}, [entry("Resize", size=[32, 48], interpolation="bicubic")])
    assert found.input_size == (32, 48)
    assert (found.recipe.mode, found.recipe.size, found.recipe.interpolation) == ("stretch", [32, 48], "bicubic")


def test_resize_and_centre_crop_is_a_crop() -> None:
    found = resolve_preprocessing({"image_size": 64}, [entry("Resize", size=256), entry("CenterCrop", size=224)])
    assert found.input_size == (224, 224)
    assert (found.recipe.mode, found.recipe.size) == ("crop", [256])


def test_resize_to_one_side_crops_to_a_square() -> None:
    found = resolve_preprocessing({"image_size": 64}, [entry("Resize", size=48)])
    assert (found.input_size, found.recipe.mode, found.recipe.size) == ((48, 48), "crop", [48])


def test_a_crop_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter side of only 100"):
        resolve_preprocessing({}, [entry("Resize", size=100), entry("CenterCrop", size=120)])


def test_normalisation_is_taken_over() -> None:
    found = resolve_preprocessing({}, [entry("Normalize", mean=[0.5, 0.5, 0.4], std=[1, 1, 1])])
    assert (found.mean, found.std) == ((0.5, 0.5, 0.4), (1.0, 1.0, 1.0))
