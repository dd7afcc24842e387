"""Reads image files into RGB arrays and resizes them. Pillow and numpy only; no torch, no knowledge of datasets.

What a file is comes from its content, never from its name. The predict script that ships with an exported model
repeats `read_rgb` and `resize_image` step by step, so both stay short and have no choices of their own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from PIL import Image, UnidentifiedImageError

from app.regular_files import open_regular
from app.schemas.export import ResizeRecipe
from app.schemas.payloads import ImportLimits

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
MAX_SIDE_PX = 30_000
PADDING_GREY = 114
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ORIENTATION_TAG = 0x0112
_PHOTOMETRIC_TAG = 262
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


@contextmanager
def open_image(path: Path, max_side_px: int = MAX_SIDE_PX, max_pixels: int = MAX_SIDE_PX**2) -> Iterator[Image.Image]:
    """Open a file whose header is acceptable; nothing is decoded yet.

    Raises UnreadableImageError for a file that is no image or is too large, also for what goes wrong inside the block
    while Pillow decodes it.
    """
    try:
        with open_regular(path) as file, Image.open(file, formats=FORMATS) as image:
            _check_size(image.width, image.height, max_side_px, max_pixels)
            yield image
    except UnreadableImageError:
        raise
    except UnidentifiedImageError:
        names = ", ".join(FORMATS)
        msg = f"The content is none of {names}."
        raise UnreadableImageError(msg, "Save it as JPEG or PNG, or remove the file.") from None
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
        msg = f"The image cannot be decoded: {str(error) or type(error).__name__}."
        raise UnreadableImageError(msg, "Replace the file by an intact copy, or remove it.") from error


def looks_like_image(path: Path) -> bool:
    """Say whether the first bytes of a file are those of a format that can be read; opens no decoder."""
    try:
        with open_regular(path) as file:
            start = file.read(12)
    except OSError:
        return False
    return start.startswith(_SIGNATURES) or (start[:4] == b"RIFF" and start[8:] == b"WEBP")


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
    return ImageHeader(width, height, name.lower(), image.mode)


def read_rgb(path: Path) -> Array:
    """Return the first frame as uint8 RGB, shape (height, width, 3), orientation applied, alpha dropped.

    16-bit samples are scaled to 8 bit, CMYK and palettes are converted. Raises UnreadableImageError.
    """
    with open_image(path) as image:
        return np.array(_load_upright(image))


def read_resized(path: Path, recipe: ResizeRecipe, input_size: tuple[int, int]) -> Array:
    """Return `resize_image` of `read_rgb`, without an array of the full size in between: a sixth less time.

    Raises UnreadableImageError, and ValueError when the result would have another size.
    """
    with open_image(path) as image:
        upright = _load_upright(image)
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


def convert_to_rgb(image: Image.Image) -> Image.Image:
    """Return a loaded image of any mode as 8-bit RGB without alpha."""
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I") or image.mode == "F":
        grey = _scale_to_8_bit(np.asarray(image))
        if image.format == "TIFF" and getattr(image, "tag_v2", {}).get(_PHOTOMETRIC_TAG) == 0:
            grey = 255 - grey  # WhiteIsZero: Pillow inverts 8-bit samples only.
        return Image.fromarray(grey).convert("RGB")
    if image.mode == "LAB":
        msg = "Images in CIELAB colours are not supported."
        raise UnreadableImageError(msg, "Save it as RGB.")
    image.info.pop("transparency", None)
    if image.mode in {"RGBa", "La"}:
        image = image.convert("RGBA" if image.mode == "RGBa" else "LA")
    return image.convert("RGB")


def resize_image(array: Array, recipe: ResizeRecipe, input_size: tuple[int, int]) -> Array:
    """Return a (height, width, 3) uint8 image as the model's input, shape (*input_size, 3), antialiased.

    stretch: to recipe.size, ignoring the aspect ratio. crop: the shorter side to recipe.size[0], then the centre.
    letterbox: fitted into recipe.size, the rest grey. Raises ValueError when the result would have another size.
    """
    return np.array(_resize(Image.fromarray(array), recipe, input_size))


def _load_upright(image: Image.Image) -> Image.Image:
    image.load()
    return orient_image(convert_to_rgb(image), read_orientation(image))


def _resize(image: Image.Image, recipe: ResizeRecipe, input_size: tuple[int, int]) -> Image.Image:
    resample = _RESAMPLING[recipe.interpolation]
    if recipe.mode == "stretch":
        image = image.resize((recipe.size[1], recipe.size[0]), resample)
    elif recipe.mode == "crop":
        image = _crop_centre(_resize_shorter_side(image, recipe.size[0], resample), input_size)
    else:
        image = _letterbox(image, (recipe.size[0], recipe.size[1]), resample)
    if image.size != (input_size[1], input_size[0]):
        height, width = input_size
        msg = f"The recipe gives {image.height} x {image.width} pixels, the model takes {height} x {width}."
        raise ValueError(msg)
    return image


def _resize_shorter_side(image: Image.Image, side_px: int, resample: Image.Resampling) -> Image.Image:
    shorter = min(image.size)
    width, height = (side_px if side == shorter else side_px * side // shorter for side in image.size)
    return image.resize((width, height), resample)


def _crop_centre(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    height, width = size
    if width > image.width or height > image.height:
        msg = f"A crop of {height} x {width} pixels does not fit into {image.height} x {image.width}."
        raise ValueError(msg)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _letterbox(image: Image.Image, size: tuple[int, int], resample: Image.Resampling) -> Image.Image:
    height, width = size
    scale = min(width / image.width, height / image.height)
    fitted = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    canvas = Image.new("RGB", (width, height), (PADDING_GREY,) * 3)
    canvas.paste(image.resize(fitted, resample), ((width - fitted[0]) // 2, (height - fitted[1]) // 2))
    return canvas


def _scale_to_8_bit(samples: np.ndarray[Any, Any]) -> Array:
    """Scale grey samples by the range that their type means: 0..1, 0..255 or 0..65535; else from least to greatest."""
    values = np.nan_to_num(samples.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if samples.dtype.itemsize == 2 and low >= 0.0:
        values = values / 257.0
    elif samples.dtype.kind == "f" and low >= 0.0 and high <= 1.0:
        values = values * 255.0
    elif samples.dtype.kind != "f" and low >= 0.0 and high <= 65535.0:
        values = values / 257.0
    elif low < 0.0 or high > 255.0:
        values = (values - low) * (255.0 / (high - low))
    return np.asarray(np.rint(values), dtype=np.uint8)


def _check_size(width: int, height: int, max_side_px: int, max_pixels: int) -> None:
    if max(width, height) > max_side_px:
        msg = f"{width} x {height} pixels; a side may have {max_side_px:,} at most."
        raise UnreadableImageError(msg, "Scale the image down or cut it into tiles.")
    if width * height > max_pixels:
        msg = f"{width} x {height} pixels are {width * height / 1e6:.0f} megapixels; the limit is {max_pixels / 1e6:g}."
        raise UnreadableImageError(msg, "Scale the image down, or raise AI_STUDIO_MAX_PIXELS.")
    if width < 1 or height < 1:
        msg = "The image has no pixels."
        raise UnreadableImageError(msg, "Replace the file by an intact copy, or remove it.")


def _has_metadata(image: Image.Image) -> bool:
    return any(key in image.info for key in ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"))
