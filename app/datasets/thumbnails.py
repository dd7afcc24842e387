"""Makes thumbnails: JPEG, longest side 128 px, in the orientation that the picture is meant to be seen in.

The import makes them all; the web process makes a missing one when it is asked for. Pillow only.
"""

from __future__ import annotations

import io
import secrets
from pathlib import Path

from PIL import Image

from app.datasets.images import ImageHeader, describe_image, load_rgb, open_image, orient_image, read_orientation
from app.datasets.pixels.colours import convert_to_rgb
from app.datasets.pixels.looks import ImageLook, look_at
from app.schemas.payloads import ImportLimits
from app.schemas.pixels import CURRENT, PixelReading

MAX_SIDE_PX = 128
_QUALITY = 82
# Modes that Pillow scales well as they are; the others have to be RGB first.
_SCALABLE_MODES = frozenset({"L", "RGB", "CMYK", "YCbCr"})


def thumbnail_path(thumbnails_dir: Path, filename: str) -> Path:
    """Return where the thumbnail of an image of the dataset lies."""
    return thumbnails_dir / f"{filename}.jpg"


def draw_thumbnail(source: Path, limits: ImportLimits, pixels: PixelReading) -> bytes:
    """Return the thumbnail of an image, a JPEG; raises UnreadableImageError."""
    return _encode_thumbnail(source, limits, pixels)[0]


def write_thumbnail(source: Path, target: Path, limits: ImportLimits, pixels: PixelReading = CURRENT) -> ImageHeader:
    """Write the thumbnail of an image and return the image's header; a reader never sees half a file.

    Every pixel row of the source is decoded, so a file that is damaged behind a sound header is found here.
    Raises UnreadableImageError for the source and OSError for the target.
    """
    return inspect_image(source, target, limits, pixels)[0]


def inspect_image(
    source: Path, target: Path, limits: ImportLimits, pixels: PixelReading
) -> tuple[ImageHeader, ImageLook]:
    """Do what `write_thumbnail` does, and return as well what was seen of the pixels, which are decoded only once."""
    data, header, look = _encode_thumbnail(source, limits, pixels)
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return header, look


def _encode_thumbnail(source: Path, limits: ImportLimits, pixels: PixelReading) -> tuple[bytes, ImageHeader, ImageLook]:
    with open_image(source, limits.max_side_px, limits.max_pixels) as image:
        header = describe_image(image)
        size, look = image.size, ImageLook()
        if image.mode in _SCALABLE_MODES and not (header.may_be_transparent or header.has_16_bit_colours):
            # Straight after open(), so that a JPEG is decoded at an eighth, a quarter or half of its size. With a gap
            # of 1 the decoder comes as near to 128 px as it can, and the rest is little work.
            image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), reducing_gap=1.0)
            image.load()  # thumbnail() decodes nothing when the image is small already
            small = convert_to_rgb(image, pixels)
        else:
            small = load_rgb(image, source, pixels)
            look = look_at(image, has_16_bit_colours=header.has_16_bit_colours)
            small.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), reducing_gap=2.0)
        orientation = read_orientation(image)
        if orientation >= 5 and (header.width, header.height) == size:  # stated behind the pixels of a PNG
            header = header._replace(width=size[1], height=size[0])
        return _to_jpeg(orient_image(small, orientation)), header, look


def _to_jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.info.clear()  # no EXIF, profile or comment of the source goes along
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
