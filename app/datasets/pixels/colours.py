"""Decoded images of any mode and depth to 8-bit RGB. Opens no file.

The predict script that ships with an exported model repeats `convert_to_rgb` step by step, so what it does depends on
the image and the `PixelReading` alone.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from app.datasets.pixels.tiff_samples import Samples, read_samples
from app.schemas.pixels import PixelReading, PixelScale

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"

UNIT_TOLERANCE = 1e-3
"""How far values of an image from 0 to 1 may lie outside: rounding, and overshoot of a filter."""

_PHOTOMETRIC_TAG = 262
_BLOCK_SAMPLES = 2**20
_ALPHA_MODES = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})


def is_beyond_8_bit(mode: str) -> bool:
    """Say whether Pillow's mode holds grey values that need a scale: whole numbers of 16 or 32 bits, or floats."""
    return mode.startswith("I") or mode == "F"


def may_be_transparent(image: Image.Image) -> bool:
    """Say whether an image has an alpha channel or a transparent colour; its pixels may still all be opaque."""
    return image.mode in _ALPHA_MODES or "transparency" in image.info


def convert_to_rgb(image: Image.Image, pixels: PixelReading, low_bytes: Array | None = None) -> Image.Image:
    """Return a loaded image of any mode as 8-bit RGB without alpha.

    `low_bytes` are those of colours with 16 bits per channel, of which the image has the upper bytes.
    """
    if low_bytes is not None:
        image = _scale_colours(image, low_bytes, pixels.scale)
    elif is_beyond_8_bit(image.mode):
        image = _scale_greys(image, pixels.scale)
    if pixels.background is not None and may_be_transparent(image):
        return lay_on(find_rgba(image), (pixels.background[0], pixels.background[1], pixels.background[2]))
    if image.mode == "RGB":
        return image
    image.info.pop("transparency", None)
    return _unmultiply(image).convert("RGB")


def _scale_colours(image: Image.Image, low_bytes: Array, scale: PixelScale | None) -> Image.Image:
    """Return colours of 16 bits per channel as RGB or RGBA with 8 bits; alpha keeps its upper byte."""
    high_bytes = np.asarray(image)
    samples = (high_bytes[..., :3].astype(np.uint16) << 8) | low_bytes[..., :3]
    colours = high_bytes[..., :3] if scale is None else scale_to_8_bit(samples, scale)
    transparent = find_transparent(image, samples)
    alpha = high_bytes[..., 3:] if transparent is None else make_alpha(transparent)[..., None]
    return Image.fromarray(np.concatenate([colours, alpha], axis=2))


def _scale_greys(image: Image.Image, scale: PixelScale | None) -> Image.Image:
    """Return grey values beyond 8 bit as RGB, or as RGBA where one of them is transparent."""
    samples = read_samples(image)
    grey = scale_to_8_bit(samples, scale)
    picture = Image.fromarray(255 - grey if is_white_zero(image) else grey).convert("RGB")
    transparent = find_transparent(image, samples)
    if transparent is not None:
        picture.putalpha(Image.fromarray(make_alpha(transparent)))
    return picture


def make_alpha(transparent: Samples) -> Array:
    """Return alpha values, 0 where a pixel is transparent and 255 elsewhere."""
    return np.where(transparent, 0, 255).astype(np.uint8)


def find_transparent(image: Image.Image, samples: Samples) -> Samples | None:
    """Return where samples beyond 8 bit have the transparent colour of their PNG; None where it has none."""
    colour = image.info.get("transparency")
    if isinstance(colour, tuple) and samples.ndim == 3:
        return np.asarray((samples[..., :3] == np.array(colour, samples.dtype)).all(axis=-1))
    return np.asarray(samples == colour) if isinstance(colour, int) and samples.ndim == 2 else None


def find_rgba(image: Image.Image) -> Image.Image:
    """Return a loaded image that may be transparent with its alpha channel."""
    return _unmultiply(image).convert("RGBA")


def lay_on(rgba: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    """Return an RGBA image laid on one colour: `(alpha * level + (255 - alpha) * colour) / 255`, rounded.

    An image without any opacity would show nothing, so its alpha is taken for a channel that nobody filled in.
    """
    alpha = rgba.getchannel("A")
    lowest, highest = alpha.getextrema()
    if lowest == 255 or highest == 0:
        return rgba.convert("RGB")
    canvas = Image.new("RGB", rgba.size, colour)
    canvas.paste(rgba.convert("RGB"), mask=alpha)
    return canvas


def is_white_zero(image: Image.Image) -> bool:
    """Say whether 0 is white in a TIFF beyond 8 bit; Pillow inverts 8-bit samples only."""
    return image.format == "TIFF" and getattr(image, "tag_v2", {}).get(_PHOTOMETRIC_TAG) == 0


def scale_to_8_bit(samples: Samples, scale: PixelScale | None) -> Array:
    """Return grey values as levels from 0 to 255. What is no finite number is a hole and becomes 0, or `min`."""
    if scale is None:
        return _scale_alone(samples)
    low, high = scale.min, scale.max
    if scale.has_unit_images and holds_unit_range(samples):
        low, high = 0.0, 1.0
    levels = np.empty(samples.shape, np.uint8)
    # In blocks of rows, because double precision takes eight times the memory of the result.
    step = max(1, _BLOCK_SAMPLES // max(1, samples[:1].size))
    for start in range(0, len(samples), step):
        values = np.nan_to_num(samples[start : start + step].astype(np.float64), nan=low, posinf=low, neginf=low)
        levels[start : start + step] = np.rint((np.clip(values, low, high) - low) * (255.0 / (high - low)))
    return levels


def holds_unit_range(samples: Samples) -> bool:
    """Say whether an image has floating-point values from 0 to 1 only, but for rounding and holes."""
    if samples.dtype.kind != "f":
        return False
    finite = samples[np.isfinite(samples)]
    if not finite.size:
        return False
    return bool(finite.min() >= -UNIT_TOLERANCE and finite.max() <= 1.0 + UNIT_TOLERANCE)


def _scale_alone(samples: Samples) -> Array:
    """Scale by the range that the type means: 0..1, 0..255 or 0..65535; else from least to greatest."""
    values = np.nan_to_num(samples.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if samples.dtype.itemsize == 2 and low >= 0.0:
        values = values / 257.0
    elif samples.dtype.kind == "f" and low >= 0.0 and high <= 1.0:
        values = values * 255.0
    elif samples.dtype.kind != "f" and low >= 0.0 and high <= 65535.0:
        values = values / 257.0
    elif low < 0.0 or high > 255.0:
        span = high - low
        values = (values - low) * (255.0 / span) if span else np.zeros_like(values)
    return np.asarray(np.rint(values), dtype=np.uint8)


def _unmultiply(image: Image.Image) -> Image.Image:
    """Return an image with premultiplied alpha as one without; others as they are."""
    if image.mode in {"RGBa", "La"}:
        return image.convert("RGBA" if image.mode == "RGBa" else "LA")
    return image
