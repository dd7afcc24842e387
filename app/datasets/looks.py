"""What is seen of one image while its thumbnail is made, to decide for the whole dataset how pixels are read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from app.datasets.colours import find_rgba, is_beyond_8_bit, lay_on, may_be_transparent
from app.datasets.pixel_scale import GreyRange, measure_greys
from app.schemas.pixels import BLACK, WHITE

# An image whose levels differ by no more shows nothing.
_BLANK_SPAN = 3


class TransparencyLook(NamedTuple):
    """What becomes of an image with transparent pixels. `has_one_colour`: without its alpha it is one plain area."""

    has_one_colour: bool
    is_blank_on_white: bool
    is_blank_on_black: bool


class ImageLook(NamedTuple):
    """The values of an image beyond 8 bit, or the transparency of another, and the highest level of an RGB image.

    `highest` is set for images of 16 bits per colour only, of which the upper 8 bits are read.
    """

    greys: GreyRange | None = None
    transparency: TransparencyLook | None = None
    highest: int | None = None


def look_at(image: Image.Image) -> ImageLook:
    """Return what is seen of a loaded image; nothing of an opaque one with 8 bits, at little cost."""
    if is_beyond_8_bit(image.mode):
        return ImageLook(greys=measure_greys(np.asarray(image)))
    if may_be_transparent(image):
        return ImageLook(transparency=_look_through(find_rgba(image)))
    return ImageLook()


def find_highest(image: Image.Image) -> int:
    """Return the highest level of any colour of a loaded image."""
    return int(max(high for _, high in _extrema(image.convert("RGB"))))


def _look_through(rgba: Image.Image) -> TransparencyLook | None:
    lowest, highest = rgba.getchannel("A").getextrema()
    if lowest == 255 or highest == 0:
        return None
    return TransparencyLook(
        has_one_colour=_is_blank(rgba.convert("RGB")),
        is_blank_on_white=_is_blank(lay_on(rgba, WHITE)),
        is_blank_on_black=_is_blank(lay_on(rgba, BLACK)),
    )


def _is_blank(image: Image.Image) -> bool:
    return all(float(high) - float(low) <= _BLANK_SPAN for low, high in _extrema(image))


def _extrema(image: Image.Image) -> list[tuple[float, float]]:
    return [(float(low), float(high)) for low, high in image.getextrema()]  # type: ignore[misc]
