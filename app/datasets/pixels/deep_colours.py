"""Colours of 16 bits per channel: Pillow reads their upper bytes, this module the lower ones as well. Pillow only.

The same decoder gives either byte, by the order of bytes that it is told; so a file is decoded twice where both matter.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from app.datasets.pixels.colours import Array
from app.regular_files import open_regular
from app.schemas.pixels import PixelReading

_FULL_RANGE = (0.0, 65535.0)
_GREY_ALPHA = "LA;16B"
_GREY_FACTORS = {"L;2": 85, "L;4": 17}
_PLANES = frozenset("RGBA")
_COLOURS = _PLANES | {"RGB", "RGBA", "RGBX"}
_BITS_TAG, _PLANES_TAG, _SEPARATE = 258, 284, 2
_NATIVE = "16B" if sys.byteorder == "big" else "16L"


def has_16_bit_colours(image: Image.Image) -> bool:
    """Say whether an opened image, which is not loaded yet, has colours of 16 bits per channel."""
    tiles = getattr(image, "tile", [])
    return image.format in {"PNG", "TIFF"} and bool(tiles) and all(_swap(tile.args) is not None for tile in tiles)


def has_transparent_colour(image: Image.Image) -> bool:
    """Say whether an opened image has colours of 16 bits per channel of which one is transparent (tRNS of a PNG)."""
    return isinstance(image.info.get("transparency"), tuple) and has_16_bit_colours(image)


def needs_low_bytes(image: Image.Image, pixels: PixelReading) -> bool:
    """Say whether the upper bytes of an opened image, which is not loaded yet, do not tell what it shows."""
    if pixels.background is not None and has_transparent_colour(image):
        return True
    scale = pixels.scale
    return scale is not None and (scale.min, scale.max) != _FULL_RANGE and has_16_bit_colours(image)


def read_low_bytes(path: Path) -> Array:
    """Return the lower byte of every sample, (height, width, 3 or 4); raises what Pillow raises."""
    with open_regular(path) as file, Image.open(file, formats=("PNG", "TIFF")) as image:
        unpack_planes(image)
        is_grey = any(_raw_mode(tile.args) == _GREY_ALPHA for tile in image.tile)
        image.tile = [tile._replace(args=_swap(tile.args)) for tile in image.tile]
        image.load()
        found = np.array(image)
        return found[..., [1, 1, 1, 3]] if is_grey else found


def unpack_planes(image: Image.Image) -> None:
    """Correct how a TIFF with a plane for each colour is unpacked: Pillow takes its 16-bit samples for 8-bit ones."""
    if image.format != "TIFF" or not isinstance(image, ImageFile.ImageFile):
        return
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(_BITS_TAG, 1)
    if tags.get(_PLANES_TAG) != _SEPARATE or (bits[0] if isinstance(bits, tuple) else bits) != 16:
        return
    order = "16B" if getattr(tags, "prefix", b"II") == b"MM" else "16L"
    if any(tile.codec_name == "raw" for tile in image.tile):  # a plane beyond the colours has no name and is left out
        planes = [tile for tile in image.tile if _raw_mode(tile.args) in _PLANES]
        image.tile = [tile._replace(args=_rename(tile.args, f"{_raw_mode(tile.args)};{order}")) for tile in planes]


def scale_transparent_grey(image: Image.Image) -> None:
    """Make the transparent grey of a PNG with 2 or 4 bits one of the 8-bit levels that Pillow makes of its pixels."""
    colour, tiles = image.info.get("transparency"), getattr(image, "tile", [])
    factor = _GREY_FACTORS.get(_raw_mode(tiles[0].args)) if image.format == "PNG" and tiles else None
    if factor is not None and isinstance(colour, int):
        image.info["transparency"] = min(255, colour * factor)


def has_compressed_planes(image: Image.Image) -> bool:
    """Say whether an opened TIFF has compressed planes of 16 bits, of which Pillow gives the upper bytes only."""
    tags = getattr(image, "tag_v2", {})
    tiles = getattr(image, "tile", [])
    is_separate = image.format == "TIFF" and tags.get(_PLANES_TAG) == _SEPARATE
    return is_separate and has_16_bit_colours(image) and any(tile.codec_name != "raw" for tile in tiles)


def _raw_mode(args: Any) -> str:
    return str(args[0] if isinstance(args, tuple) else args)


def _swap(args: Any) -> Any:
    """Return the arguments of a decoder with the other order of bytes; None for samples of another kind."""
    mode, _, order = _raw_mode(args).partition(";")
    if _raw_mode(args) == _GREY_ALPHA:
        swapped = "RGBA"  # the four bytes of a pixel as they are: there is no decoder with the other order
    elif mode in _COLOURS and order in {"16L", "16B", "16N"}:
        swapped = f"{mode};{'16L' if (order if order != '16N' else _NATIVE) == '16B' else '16B'}"
    else:
        return None
    return _rename(args, swapped)


def _rename(args: Any, raw_mode: str) -> Any:
    return (raw_mode, *args[1:]) if isinstance(args, tuple) else raw_mode
