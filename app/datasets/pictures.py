"""Draws an image for a browser as a model gets it, where the file itself would look otherwise. Pillow only."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from app.datasets.images import load_rgb, open_image, orient_image, read_orientation
from app.datasets.pixels.colours import is_beyond_8_bit, may_be_transparent
from app.datasets.pixels.deep_colours import needs_low_bytes
from app.schemas.payloads import ImportLimits
from app.schemas.pixels import PixelReading

MAX_SIDE_PX = 2048
# The web process draws, so what it decodes at once is bounded. Larger images are shown as their thumbnail.
MAX_PIXELS = 25_000_000
_SHOWN_BY_BROWSERS = frozenset({"JPEG", "MPO", "PNG", "GIF", "WEBP", "BMP"})


def draw_picture(source: Path, limits: ImportLimits, pixels: PixelReading) -> bytes | None:
    """Return a PNG of at most 2,048 px, or None where a browser shows the file as it is read, or it is too large.

    Raises UnreadableImageError.
    """
    with open_image(source, limits.max_side_px, limits.max_pixels) as image:
        is_clear = pixels.background is not None and may_be_transparent(image)
        is_deep = is_beyond_8_bit(image.mode) or needs_low_bytes(image, pixels)
        needs_drawing = image.format not in _SHOWN_BY_BROWSERS or is_deep or is_clear
        if not needs_drawing or image.width * image.height > MAX_PIXELS:
            return None
        picture = load_rgb(image, source, pixels)
        picture.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), Image.Resampling.BILINEAR, reducing_gap=2.0)
        picture = orient_image(picture, read_orientation(image))
        picture.info.clear()  # no EXIF, profile or comment of the source goes along
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
