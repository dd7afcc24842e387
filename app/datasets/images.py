"""Reads image files into RGB arrays and resizes them. Pillow and numpy only; no torch, no knowledge of datasets.

What a file is comes from its content, never from its name. Sizes and offsets of resizing come from `placement.py`. The
predict script that ships with an exported model repeats `read_rgb` and `resize_image` step by step, so both stay short
and have no choices of their own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from app.datasets.decoder_errors import explain_undecodable
from app.datasets.foreign_files import HEAD_BYTES, RAW, name_content
from app.datasets.pixels.colours import Array, convert_to_rgb, is_beyond_8_bit, may_be_transparent
from app.datasets.pixels.deep_colours import (
    has_16_bit_colours,
    has_compressed_planes,
    needs_low_bytes,
    read_low_bytes,
    scale_transparent_grey,
    unpack_planes,
)
from app.datasets.pixels.tiff_samples import name_tiff, use_native_order
from app.datasets.placement import Placement
from app.regular_files import open_regular
from app.schemas.export import ResizeRecipe
from app.schemas.payloads import ImportLimits
from app.schemas.pixels import CURRENT, PixelReading

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF")
MAX_SIDE_PX = 30_000
PADDING_GREY = 114
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"GIF8")
_LEAST_TIFF_BYTES = 64
_ORIENTATION_TAG = 0x0112
_SUBFILE_TYPE_TAG, _SUB_IFDS_TAG, _DNG_VERSION_TAG = 254, 330, 50706
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
# What Pillow raises on files that are damaged or forged; none of it is a fault of this program.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    struct.error,
    Image.DecompressionBombError,
)

# Pillow warns at 90 megapixels and fails at twice that, whatever the user allows. The limits below are checked on
# the header of every file before a pixel is decoded, so Pillow's own are turned off.
Image.MAX_IMAGE_PIXELS = None


class UnreadableImageError(ValueError):
    """A file is not an image that can be used; `fix` says what to do about it."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class ImageHeader(NamedTuple):
    """What the header says; sides in pixels after orientation, format in lower case, mode as Pillow names it."""

    width: int
    height: int
    format: str
    mode: str
    has_more_frames: bool = False
    may_be_transparent: bool = False
    has_16_bit_colours: bool = False

    @property
    def is_beyond_8_bit(self) -> bool:
        """Whether the image has values that need a scale: grey levels or colours."""
        return self.has_16_bit_colours or is_beyond_8_bit(self.mode)


@contextmanager
def open_image(path: Path, max_side_px: int = MAX_SIDE_PX, max_pixels: int = MAX_SIDE_PX**2) -> Iterator[Image.Image]:
    """Open a file whose header is acceptable; nothing is decoded yet.

    Raises UnreadableImageError for a file that is no image or is too large, also for what goes wrong inside the block
    while Pillow decodes it.
    """
    try:
        with open_regular(path) as file, _identify(file) as image:
            _check_size(image.width, image.height, max_side_px, max_pixels)
            _check_kind(image, file)
            use_native_order(image)
            unpack_planes(image)
            scale_transparent_grey(image)
            yield image
    except UnreadableImageError:
        raise
    except FileNotFoundError:
        msg = "The file does not exist."
        raise UnreadableImageError(msg, "Check the path, or import the images again.") from None
    except MemoryError as error:
        msg = "There was not enough memory to decode the image."
        raise UnreadableImageError(msg, "End other programs, or save it with fewer pixels.") from error
    except _DECODER_ERRORS as error:
        if isinstance(error, OSError) and error.errno is not None:
            msg = f"The file cannot be read: {error.strerror}."
            raise UnreadableImageError(msg, "Check the permissions and the disk.") from error
        msg = f"The image cannot be decoded: {explain_undecodable(error)}."
        raise UnreadableImageError(msg, "Replace the file with an intact copy, or remove it.") from error


def _identify(file: BinaryIO) -> Image.Image:
    """Open an image; raises UnreadableImageError that says what the file is instead."""
    try:
        return Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        file.seek(0)
        head = file.read(HEAD_BYTES)
        kind = name_content(head)
        if kind is None and head.startswith((b"II", b"MM")) and len(head) > _LEAST_TIFF_BYTES:
            raise _refuse_tiff(file) from None
        if kind is None and begins_like_image(head):
            msg = "The header of the image is damaged or incomplete."
            raise UnreadableImageError(msg, "Replace the file with an intact copy, or remove it.") from None
        if kind is not None:
            raise UnreadableImageError(kind.message, kind.fix) from None
        msg = f"The content is none of {', '.join(FORMATS)}."
        raise UnreadableImageError(msg, "Save it as JPEG or PNG, or remove the file.") from None


def _refuse_tiff(file: BinaryIO) -> UnreadableImageError:
    """Return the refusal of a TIFF that Pillow does not open, by what it holds where that can be read."""
    try:
        kind = name_tiff(file)
    except _DECODER_ERRORS:
        kind = None
    if kind is not None:
        return UnreadableImageError(*kind)
    msg = "This kind of TIFF cannot be read, or the file is damaged."
    return UnreadableImageError(msg, "Save it with one channel, or as RGB with 8 bits per colour.")


def begins_like_image(head: bytes) -> bool:
    """Say whether the first bytes of a file are those of a format that can be read."""
    return head.startswith(_SIGNATURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def read_header(path: Path, limits: ImportLimits) -> ImageHeader:
    """Return size, format and mode from the header alone; raises UnreadableImageError.

    A PNG that states its orientation after its pixels is the one case where only decoding knows the sides.
    """
    with open_image(path, limits.max_side_px, limits.max_pixels) as image:
        return describe_image(image)


def describe_image(image: Image.Image) -> ImageHeader:
    """Return the header of an opened image, with the sides as they are after orientation."""
    width, height = image.size
    if read_orientation(image) >= 5:
        width, height = height, width
    # A phone's JPEG with a second picture inside is opened as MPO; its first frame is an ordinary JPEG.
    name = "JPEG" if image.format == "MPO" else image.format or "unknown"
    has_more = has_more_frames(image)
    return ImageHeader(
        width, height, name.lower(), image.mode, has_more, may_be_transparent(image), has_16_bit_colours(image)
    )


def has_more_frames(image: Image.Image) -> bool:
    """Say whether an opened file holds more than the frame that is read; does not count them."""
    if image.format == "TIFF":
        return bool(getattr(getattr(image, "tag_v2", None), "next", 0))
    if image.format not in {"GIF", "PNG", "WEBP"}:  # an MPO holds the same photo again
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except _DECODER_ERRORS:
        with suppress(*_DECODER_ERRORS):
            image.seek(0)  # what is damaged lies behind the first frame
        return True


def read_rgb(path: Path, pixels: PixelReading = CURRENT) -> Array:
    """Return the first frame as uint8 RGB, shape (height, width, 3), orientation applied.

    Values beyond 8 bit are scaled and transparent images laid on a colour as `pixels` says; CMYK and palettes are
    converted. Raises UnreadableImageError.
    """
    with open_image(path) as image:
        return np.array(orient_image(load_rgb(image, path, pixels), read_orientation(image)))


def read_resized(
    path: Path, recipe: ResizeRecipe, input_size: tuple[int, int], pixels: PixelReading = CURRENT
) -> Array:
    """Return `resize_image` of `read_rgb`, without an array of the full size in between: a sixth less time.

    Raises UnreadableImageError, and ValueError when the result would have another size.
    """
    with open_image(path) as image:
        upright = orient_image(load_rgb(image, path, pixels), read_orientation(image))
    return np.array(_resize(upright, recipe, input_size))


def read_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation that is still to be applied, 1 to 8; 1 when there is none or it is damaged."""
    if image.format == "TIFF":
        return 1  # Pillow applies it itself, to the size when it opens and to the pixels when it loads.
    if image.format == "PNG" and not _has_metadata(image):
        return 1  # getexif() would decode all pixels to look behind them.
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except (*_DECODER_ERRORS, MemoryError):
        return 1
    return value if isinstance(value, int) and value in _TRANSPOSE else 1


def orient_image(image: Image.Image, orientation: int) -> Image.Image:
    """Return the image turned and mirrored as an EXIF orientation asks."""
    method = _TRANSPOSE.get(orientation)
    return image if method is None else image.transpose(method)


def resize_image(array: Array, recipe: ResizeRecipe, input_size: tuple[int, int]) -> Array:
    """Return a (height, width, 3) uint8 image as the model's input, shape (*input_size, 3), antialiased.

    stretch: to recipe.size, ignoring the aspect ratio. crop: the shorter side to recipe.size[0], then the centre.
    letterbox: fitted into recipe.size, the rest grey. Raises ValueError when the result would have another size.
    """
    return np.array(_resize(Image.fromarray(array), recipe, input_size))


def load_rgb(image: Image.Image, path: Path, pixels: PixelReading) -> Image.Image:
    """Decode an opened image and return it as 8-bit RGB, not turned yet; `path` is its file."""
    low_bytes = read_low_bytes(path) if needs_low_bytes(image, pixels) else None
    image.load()
    return convert_to_rgb(image, pixels, low_bytes)


def _resize(image: Image.Image, recipe: ResizeRecipe, input_size: tuple[int, int]) -> Image.Image:
    place = Placement(recipe, (image.height, image.width), input_size)
    resized_height, resized_width = place.resized_size
    image = image.resize((resized_width, resized_height), _RESAMPLING[recipe.interpolation])
    height, width = input_size
    if recipe.mode == "crop":
        image = _crop(image, place)
    elif (recipe.size[0], recipe.size[1]) != input_size:
        msg = f"The recipe gives {recipe.size[0]} × {recipe.size[1]} pixels, the model takes {height} × {width}."
        raise ValueError(msg)
    elif recipe.mode == "letterbox":
        canvas = Image.new("RGB", (width, height), (PADDING_GREY,) * 3)
        canvas.paste(image, place.offset)
        return canvas
    return image


def _crop(image: Image.Image, place: Placement) -> Image.Image:
    height, width = place.input_size
    if width > image.width or height > image.height:
        msg = f"A crop of {height} × {width} pixels does not fit into {image.height} × {image.width}."
        raise ValueError(msg)
    left, top = -place.offset[0], -place.offset[1]
    return image.crop((left, top, left + width, top + height))


def _check_size(width: int, height: int, max_side_px: int, max_pixels: int) -> None:
    if max(width, height) > max_side_px:
        msg = f"{width} × {height} pixels; a side may have {max_side_px:,} at most."
        raise UnreadableImageError(msg, "Scale the image down or cut it into tiles.")
    if width * height > max_pixels:
        msg = f"{width} × {height} pixels are {width * height / 1e6:.0f} megapixels; the limit is {max_pixels / 1e6:g}."
        raise UnreadableImageError(msg, "Scale the image down, or raise AI_STUDIO_MAX_PIXELS.")
    if width < 1 or height < 1:
        msg = "The image has no pixels."
        raise UnreadableImageError(msg, "Replace the file with an intact copy, or remove it.")


def _check_kind(image: Image.Image, file: BinaryIO) -> None:
    """Refuse what Pillow opens, but would show as something else than it is."""
    if image.mode == "LAB":
        msg = "Images in CIELAB colours are not supported."
        raise UnreadableImageError(msg, "Save it as RGB.")
    if image.format == "TIFF" and _is_raw(image, file):
        raise UnreadableImageError(RAW.message, RAW.fix)
    if has_compressed_planes(image):
        msg = "This TIFF has a compressed plane of 16 bits for each colour, which cannot be read."
        fix = "Save it without compression, or with the colours of a pixel side by side (planar configuration 1)."
        raise UnreadableImageError(msg, fix)


def _is_raw(image: Image.Image, file: BinaryIO) -> bool:
    """Say whether a TIFF is a camera's RAW photo (DNG, CR2, NEF, ARW), of which Pillow would read a small preview."""
    tags = getattr(image, "tag_v2", {})
    subfile_type = tags.get(_SUBFILE_TYPE_TAG, 0)
    is_preview = isinstance(subfile_type, int) and bool(subfile_type & 1) and _SUB_IFDS_TAG in tags
    if is_preview or _DNG_VERSION_TAG in tags:
        return True
    place = file.tell()
    file.seek(8)
    is_canon = file.read(2) == b"CR"
    file.seek(place)
    return is_canon


def _has_metadata(image: Image.Image) -> bool:
    return any(key in image.info for key in ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"))
