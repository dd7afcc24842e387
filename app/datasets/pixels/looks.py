"""What is seen of one image while its thumbnail is made, to decide for the whole dataset how pixels are read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from app.datasets.pixels.colours import (
    find_rgba,
    find_transparent,
    is_beyond_8_bit,
    lay_on,
    make_alpha,
    may_be_transparent,
    scale_to_8_bit,
)
from app.datasets.pixels.scale import GreyRange, measure_greys
from app.datasets.pixels.tiff_samples import read_samples
from app.schemas.pixels import BLACK, WHITE, PixelScale

# An image whose levels differ by no more shows nothing.
_BLANK_SPAN = 3


class TransparencyLook(NamedTuple):
    """What becomes of an image with transparent pixels. `has_one_colour`: without its alpha it is one plain area."""

    has_one_colour: bool
    is_blank_on_white: bool
    is_blank_on_black: bool


class ImageLook(NamedTuple):
    """The values of an image beyond 8 bit, and the transparency of one that has some."""

    greys: GreyRange | None = None
    transparency: TransparencyLook | None = None


def look_at(image: Image.Image, *, has_16_bit_colours: bool = False) -> ImageLook:
    """Return what is seen of a loaded image; nothing of an opaque one with 8 bits, at little cost.

    Of colours with 16 bits per channel the upper bytes are there, which are enough to tell the depth of their values.
    """
    if is_beyond_8_bit(image.mode):
        return _look_at_greys(image)
    if not has_16_bit_colours:
        return ImageLook(transparency=_look_through(find_rgba(image)) if may_be_transparent(image) else None)
    # Of two colours with the same upper bytes one can be transparent, so these do not tell where an image is clear.
    is_clear = may_be_transparent(image) and "transparency" not in image.info
    return ImageLook(_measure_high_bytes(image), _look_through(find_rgba(image)) if is_clear else None)


def _look_at_greys(image: Image.Image) -> ImageLook:
    """Measure grey values beyond 8 bit without those of the transparent colour, which may be any number."""
    samples = read_samples(image)
    transparent = find_transparent(image, samples)
    if transparent is None:
        return ImageLook(greys=measure_greys(samples))
    greys = measure_greys(samples[~transparent])
    if greys is None:
        return ImageLook()
    span = greys.high - greys.low or 1.0
    levels = scale_to_8_bit(samples, PixelScale(min=greys.low, max=greys.low + span))
    rgba = Image.fromarray(levels).convert("RGBA")
    rgba.putalpha(Image.fromarray(make_alpha(transparent)))
    return ImageLook(greys, _look_through(rgba))


def _measure_high_bytes(image: Image.Image) -> GreyRange | None:
    high_bytes = np.asarray(image)[..., :3]
    colour = image.info.get("transparency")
    if isinstance(colour, tuple):
        kept = ~(high_bytes == np.array(colour) >> 8).all(axis=-1)
        high_bytes = high_bytes[kept] if kept.any() else high_bytes
    greys = measure_greys(high_bytes.astype(np.uint16) << 8)
    return greys and greys._replace(high=greys.high + 255.0, usual_high=greys.usual_high + 255.0)


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
