"""Makes thumbnails: JPEG, longest side 128 px, in the orientation that the picture is meant to be seen in.

The import makes them all; the web process makes a missing one when it is asked for. Pillow only.
"""

from __future__ import annotations

import io
import secrets
from pathlib import Path

from PIL import Image

from app.datasets.images import ImageHeader, convert_to_rgb, describe_image, open_image, orient_image, read_orientation
from app.schemas.payloads import ImportLimits

MAX_SIDE_PX = 128
_QUALITY = 82
# Modes that Pillow scales well as they are; the others have to be RGB first.
_SCALABLE_MODES = frozenset({"L", "RGB", "CMYK", "YCbCr"})


def thumbnail_path(thumbs_dir: Path, filename: str) -> Path:
    """Return where the thumbnail of an image of the dataset lies."""
    return thumbs_dir / f"{filename}.jpg"


def draw_thumbnail(source: Path, limits: ImportLimits) -> bytes:
    """Return the thumbnail of an image, a JPEG; raises UnreadableImageError."""
    return _encode_thumbnail(source, limits)[0]


def write_thumbnail(source: Path, target: Path, limits: ImportLimits) -> ImageHeader:
    """Write the thumbnail of an image and return the image's header; a reader never sees half a file.

    Every pixel row of the source is decoded, so a file that is damaged behind a sound header is found here.
    Raises UnreadableImageError for the source and OSError for the target.
    """
    data, header = _encode_thumbnail(source, limits)
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return header


def _encode_thumbnail(source: Path, limits: ImportLimits) -> tuple[bytes, ImageHeader]:
    with open_image(source, limits.max_side_px, limits.max_pixels) as image:
        header = describe_image(image)
        size = image.size
        if image.mode in _SCALABLE_MODES:
            # Straight after open(), so that a JPEG is decoded at an eighth, a quarter or half of its size. With a gap
            # of 1 the decoder comes as near to 128 px as it can, and the rest is little work.
            image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), reducing_gap=1.0)
            image.load()  # thumbnail() decodes nothing when the image is small already
            small = convert_to_rgb(image)
        else:
            image.load()
            small = convert_to_rgb(image)
            small.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), reducing_gap=2.0)
        orientation = read_orientation(image)
        if orientation >= 5 and (header.width, header.height) == size:  # stated behind the pixels of a PNG
            header = header._replace(width=size[1], height=size[0])
        return _to_jpeg(orient_image(small, orientation)), header


def _to_jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.info.clear()  # no EXIF, profile or comment of the source goes along
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
