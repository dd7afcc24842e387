"""Masks as pictures: which pixels are clear, and which colours the others have."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from app.datasets.images import UnreadableImageError
from app.datasets.mask_pictures import draw_class_mask, draw_object_mask
from app.schemas.payloads import ImportLimits


def pixels(data: bytes) -> list[tuple[int, int, int, int]]:
    image = Image.open(io.BytesIO(data)).convert("RGBA")
    return [image.getpixel((x, 0)) for x in range(image.width)]  # type: ignore[misc]


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    image = Image.new("L", (3, 1))
    image.putdata([0, 1, 255])
    image.save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


def test_classes_have_colours_and_the_ignored_is_clear(mask: Path) -> None:
    first, second, ignored = pixels(draw_class_mask(mask, ["cat", "dog"], ImportLimits()))
    assert (first[3], second[3], ignored[3]) == (255, 255, 0)
    assert first[:3] != second[:3]
    background = pixels(draw_class_mask(mask, ["background", "dog"], ImportLimits()))
    assert [pixel[3] for pixel in background] == [0, 255, 0]


def test_an_object_has_the_colour_of_its_class(mask: Path) -> None:
    drawn = pixels(draw_object_mask(mask, 1, ImportLimits()))
    assert [pixel[3] for pixel in drawn] == [0, 255, 255]
    assert drawn[1] == pixels(draw_class_mask(mask, ["cat", "dog"], ImportLimits()))[1]


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(b"no image")
    with pytest.raises(UnreadableImageError):
        draw_object_mask(tmp_path / "mask.png", 0, ImportLimits())
