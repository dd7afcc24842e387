"""Draws a stored mask as a transparent PNG in the colours of its classes, to be laid over its image. Pillow only."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from app.datasets.images import open_image
from app.schemas.payloads import ImportLimits

IGNORED_ID = 255
# The series of the light theme; a mask lies over a photograph, so there is no other for the dark one.
_COLOURS = ("0d666e", "b4531a", "6a4bb5", "2f7d32", "b3266b", "806400", "2a62b8", "5d6773")
_BACKGROUNDS = frozenset({"background", "_background_"})


def draw_class_mask(path: Path, classes: Sequence[str], limits: ImportLimits) -> bytes:
    """Return a mask of class ids; 255 and a first class named background are clear. Raises UnreadableImageError."""
    has_background = bool(classes) and classes[0].casefold() in _BACKGROUNDS
    clear = {IGNORED_ID, *((0,) if has_background else ())}
    return _draw(path, [None if value in clear else value for value in range(256)], limits)


def draw_object_mask(path: Path, class_id: int, limits: ImportLimits) -> bytes:
    """Return the mask of one object, everything but 0 in the colour of its class. Raises UnreadableImageError."""
    return _draw(path, [None, *[class_id] * 255], limits)


def _draw(path: Path, colour_of: Sequence[int | None], limits: ImportLimits) -> bytes:
    with open_image(path, limits.max_side_px, limits.max_pixels) as image:
        ids = image.copy() if image.mode in {"L", "P"} else image.convert("L")
    picture = Image.frombytes("P", ids.size, ids.tobytes())
    palette = b"".join(bytes.fromhex(_COLOURS[(number or 0) % len(_COLOURS)]) for number in colour_of)
    picture.putpalette(palette)
    opacity = bytes(0 if number is None else 255 for number in colour_of)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=opacity)
    return buffer.getvalue()
