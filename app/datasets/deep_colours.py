"""Colours of 16 bits per channel: Pillow reads their upper bytes, this module the lower ones as well. Pillow only.

The same decoder gives either byte, by the order of bytes that it is told; so a file is decoded twice where both matter.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from app.datasets.colours import Array
from app.regular_files import open_regular
from app.schemas.pixels import PixelScale

_FULL_RANGE = (0.0, 65535.0)
_NATIVE = "16B" if sys.byteorder == "big" else "16L"


def has_16_bit_colours(image: Image.Image) -> bool:
    """Say whether an opened image, which is not loaded yet, has colours of 16 bits per channel."""
    tiles = getattr(image, "tile", [])
    return image.format in {"PNG", "TIFF"} and bool(tiles) and all(_swap(tile.args) is not None for tile in tiles)


def needs_low_bytes(image: Image.Image, scale: PixelScale | None) -> bool:
    """Say whether the upper bytes of an opened image, which is not loaded yet, do not tell its grey levels."""
    return scale is not None and (scale.min, scale.max) != _FULL_RANGE and has_16_bit_colours(image)


def read_low_bytes(path: Path) -> Array:
    """Return the lower byte of every sample, (height, width, 3 or 4); raises what Pillow raises."""
    with open_regular(path) as file, Image.open(file, formats=("PNG", "TIFF")) as image:
        image.tile = [tile._replace(args=_swap(tile.args)) for tile in image.tile]
        image.load()
        return np.array(image)


def _swap(args: Any) -> Any:
    """Return the arguments of a decoder with the other order of bytes; None for samples of another kind."""
    rawmode = args[0] if isinstance(args, tuple) else args
    mode, _, order = str(rawmode).partition(";")
    if mode not in {"RGB", "RGBA"} or order not in {"16L", "16B", "16N"}:
        return None
    swapped = f"{mode};{'16L' if (order if order != '16N' else _NATIVE) == '16B' else '16B'}"
    return (swapped, *args[1:]) if isinstance(args, tuple) else swapped
