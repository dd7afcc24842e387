"""Runs an exported model on image files. Needs numpy, Pillow and onnxruntime, and nothing else.

    python predict.py photo.jpg more/             one line per image; folders include their subfolders
    python predict.py --csv --output found.csv photos/
    python predict.py --json photo.jpg            the same as JSON
    python predict.py --check                     compares the files with SHA256SUMS, then runs the golden set

A file that cannot be read is named on standard error; the others are still predicted, and the exit code is 1.
Classes, input size, resizing and the scale of images beyond 8 bit are read from the model itself. Reading and resizing
are those of AI Studio, step by step, so that the predictions are the same. It is one file, so that it can be
copied on its own.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import glob
import hashlib
import json
import os
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import onnxruntime
from answer import decode, describe, list_cells
from PIL import Image, TiffImagePlugin

HERE = Path(__file__).resolve().parent
YOURS = ("README.md", "predict.py")  # Whoever changes these has a reason; the check says so and goes on.
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF")
# Files in folders are tried when they begin like an image, or are named like one.
STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"GIF8")
ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".heic", ".heif", ".avif", ".dng"}
PROGRESS_S = 5.0
MAX_SIDE_PX = 30_000
PADDING_GREY = 114
ORIENTATION_TAG = 0x0112
BITS_TAG, PHOTOMETRIC_TAG, PLANES_TAG, SAMPLE_FORMAT_TAG = 258, 262, 284, 339
PLANES = ("R", "G", "B", "A")
GREY_ALPHA = "LA;16B"
GREY_FACTORS = {"L;2": 85, "L;4": 17}
SUBFILE_TYPE_TAG, SUB_IFDS_TAG, DNG_VERSION_TAG = 254, 330, 50706
UNIT_TOLERANCE = 1e-3
TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
# TIFF samples that Pillow does not open or reads wrongly: signed 8 bits, floats of 16 and 64 bits, and whole numbers of
# 32 bits in big-endian order. libtiff gives samples in the order of this machine, which Pillow overlooks for some.
TIFF_KINDS: dict[Any, tuple[str, str]] = {
    (b"II", 1, (2,), 1, (8,), ()): ("I", "I;8S"),
    (b"MM", 1, (2,), 1, (8,), ()): ("I", "I;8S"),
    (b"II", 1, (3,), 1, (16,), ()): ("I;16", "I;16"),
    (b"MM", 1, (3,), 1, (16,), ()): ("I;16", "I;16B"),
    (b"II", 1, (3,), 1, (64,), ()): ("F", "F;64F"),
    (b"MM", 1, (3,), 1, (64,), ()): ("F", "F;64BF"),
    (b"MM", 1, (1,), 1, (32,), ()): ("I", "I;32BS"),
}
TIFF_NATIVE = {"I;16BS": "I;16NS", "I;32BS": "I;32NS", "F;32BF": "F;32NF", "F;64BF": "F;64NF"}
TiffImagePlugin.OPEN_INFO.update(TIFF_KINDS)
TiffImagePlugin.OPEN_INFO.setdefault((b"MM", 1, (1,), 1, (12,), ()), ("I;16", "I;12"))
for _key, _modes in list(TiffImagePlugin.OPEN_INFO.items()):  # samples beyond 8 bit in which 0 is white
    if _key[1] == 1 and _modes[0] in {"I", "F", "I;16", "I;16B"}:
        TiffImagePlugin.OPEN_INFO.setdefault((_key[0], 0, *_key[2:]), _modes)
# What Pillow and numpy raise for files that are damaged, too large or no images.
IMAGE_ERRORS = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, ArithmeticError, MemoryError),
    *(struct.error, Image.DecompressionBombError),
)
Image.MAX_IMAGE_PIXELS = None  # The sides are checked below, before any pixel is decoded.

Array = Any


class Model:
    """An exported model with what it says of itself."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.metadata: dict[str, Any] = json.loads(self.session.get_modelmeta().custom_metadata_map["ai_studio"])
        self.names = [output.name for output in self.session.get_outputs()]

    def prepare(self, path: Path) -> Array:
        """Return the image of a file as the model's input, uint8 (1, 3, height, width)."""
        pixels = resize_image(read_rgb(path, self.metadata), self.metadata["resize"], self.metadata["input_size"])
        return np.ascontiguousarray(pixels.transpose(2, 0, 1)[np.newaxis])

    def run(self, images: Array) -> dict[str, Array]:
        """Return the named outputs for uint8 images (1, 3, height, width)."""
        return dict(zip(self.names, self.session.run(self.names, {"images": images})))  # noqa: B905

    def predict(self, path: Path) -> dict[str, Any]:
        """Return what the model says of the image of a file."""
        outputs = self.run(self.prepare(path))
        if not all(np.isfinite(values).all() for values in outputs.values()):
            raise ValueError("The model gives no finite numbers for this image.")
        answer: dict[str, Any] = decode(outputs, self.metadata)[0]
        return answer


def read_rgb(path: Path, metadata: dict[str, Any]) -> Array:
    """Return the first frame as uint8 RGB (height, width, 3), orientation applied."""
    with path.open("rb") as file:
        head = file.read(32)
        is_heic = any(brand in head[8:] for brand in (b"hei", b"hev", b"mif1")) and b"avi" not in head
        if head[4:8] == b"ftyp" and is_heic:
            raise ValueError("This is a HEIC photo. Save it as JPEG.")
        file.seek(0)
        with Image.open(file, formats=FORMATS) as image:
            if max(image.size) > MAX_SIDE_PX:
                raise ValueError(f"A side may have {MAX_SIDE_PX} pixels at most.")
            check_kind(image, head)
            use_native_order(image)
            unpack_planes(image)
            scale_transparent_grey(image)
            low_bytes = read_low_bytes(path, image, metadata)
            image.load()
            return np.array(orient_image(convert_to_rgb(image, metadata, low_bytes), read_orientation(image)))


def read_low_bytes(path: Path, image: Image.Image, metadata: dict[str, Any]) -> Array:
    """Return the lower bytes of colours with 16 bits per channel, of which Pillow gives the upper ones.

    The same decoder gives either byte, by the order of bytes that it is told. None where they change nothing.
    """
    swapped = [swap_bytes(tile.args) for tile in getattr(image, "tile", [])]
    is_deep = image.format in {"PNG", "TIFF"} and bool(swapped) and None not in swapped
    scale = metadata.get("pixel_scale")
    has_scale = scale is not None and (scale["min"], scale["max"]) != (0.0, 65535.0)
    is_clear = metadata.get("background") is not None and isinstance(image.info.get("transparency"), tuple)
    if not is_deep or not (has_scale or is_clear):
        return None
    with Image.open(path, formats=("PNG", "TIFF")) as other:
        is_grey = any(find_raw_mode(tile.args) == GREY_ALPHA for tile in other.tile)
        other.tile = [tile._replace(args=args) for tile, args in zip(other.tile, swapped)]  # noqa: B905
        other.load()
        found = np.array(other)
        return found[..., [1, 1, 1, 3]] if is_grey else found


def find_raw_mode(args: Any) -> str:
    """Return how a decoder with these arguments unpacks samples."""
    return str(args[0] if isinstance(args, tuple) else args)


def swap_bytes(args: Any) -> Any:
    """Return the arguments of a decoder with the other order of bytes; None for samples of another kind."""
    mode, _, order = find_raw_mode(args).partition(";")
    if find_raw_mode(args) == GREY_ALPHA:
        swapped = "RGBA"  # the four bytes of a pixel as they are: there is no decoder with the other order
    elif mode in {*PLANES, "RGB", "RGBA", "RGBX"} and order in {"16L", "16B", "16N"}:
        native = "16B" if sys.byteorder == "big" else "16L"
        swapped = f"{mode};{'16L' if (native if order == '16N' else order) == '16B' else '16B'}"
    else:
        return None
    return (swapped, *args[1:]) if isinstance(args, tuple) else swapped


def unpack_planes(image: Any) -> None:
    """Unpack a TIFF with a plane of 16 bits for each colour, which Pillow takes for 8 bits; it is not loaded yet."""
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    if tags.get(PLANES_TAG) != 2 or np.atleast_1d(tags.get(BITS_TAG, 1))[0] != 16:
        return
    if any(tile.codec_name != "raw" for tile in image.tile) and swap_bytes(image.tile[0].args) is not None:
        raise ValueError("This TIFF has a compressed plane of 16 bits for each colour. Save it without compression.")
    order = "16B" if getattr(tags, "prefix", b"II") == b"MM" else "16L"
    if any(tile.codec_name == "raw" for tile in image.tile):  # a plane beyond the colours has no name and is left out
        planes = [tile for tile in image.tile if find_raw_mode(tile.args) in PLANES]
        image.tile = [tile._replace(args=(f"{tile.args[0]};{order}", *tile.args[1:])) for tile in planes]


def scale_transparent_grey(image: Any) -> None:
    """Make the transparent grey of a PNG with 2 or 4 bits one of the 8-bit levels that Pillow makes of its pixels."""
    colour = image.info.get("transparency")
    factor = GREY_FACTORS.get(find_raw_mode(image.tile[0].args)) if image.format == "PNG" and image.tile else None
    if factor is not None and isinstance(colour, int):
        image.info["transparency"] = min(255, colour * factor)


def check_kind(image: Image.Image, head: bytes) -> None:
    """Refuse what Pillow would show as something else than it is."""
    if image.mode == "LAB":
        raise ValueError("Images in CIELAB colours are not supported.")
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    kind = tags.get(SUBFILE_TYPE_TAG, 0)
    is_preview = isinstance(kind, int) and kind & 1 and SUB_IFDS_TAG in tags
    if DNG_VERSION_TAG in tags or is_preview or (image.format == "TIFF" and head[8:10] == b"CR"):
        raise ValueError("This is a camera RAW photo. Develop it and save it as JPEG, TIFF or PNG.")


def use_native_order(image: Any) -> None:
    """Unpack what libtiff decompresses in the byte order of this machine; the image is not loaded yet."""
    if image.format == "TIFF":
        image.tile = [
            tile._replace(args=(TIFF_NATIVE.get(tile.args[0], tile.args[0]), *tile.args[1:]))
            if tile.codec_name == "libtiff" and isinstance(tile.args, tuple)
            else tile
            for tile in image.tile
        ]


def read_samples(image: Image.Image) -> Array:
    """Return the grey values of a loaded image beyond 8 bit, in the type that its file means."""
    samples = np.asarray(image)
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    bits, kind = (np.atleast_1d(tags.get(tag, 1))[0] for tag in (BITS_TAG, SAMPLE_FORMAT_TAG))
    if image.mode == "I" and (bits, kind) == (32, 1):
        return samples.view(np.uint32)
    is_half = image.mode == "I;16" and kind == 3
    return samples.view(np.float16).astype(np.float32) if is_half else samples


def read_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation that is still to be applied; TIFF files are turned by Pillow itself."""
    if image.format == "TIFF":
        return 1
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except (OSError, SyntaxError, ValueError, TypeError, LookupError):
        return 1
    return value if isinstance(value, int) and value in TRANSPOSE else 1


def orient_image(image: Image.Image, orientation: int) -> Image.Image:
    """Return the image turned and mirrored as an EXIF orientation asks."""
    method = TRANSPOSE.get(orientation)
    return image if method is None else image.transpose(method)


def convert_to_rgb(image: Image.Image, metadata: dict[str, Any], low_bytes: Array = None) -> Image.Image:
    """Return a loaded image of any mode as 8-bit RGB; transparent pixels lie on the background of the model."""
    if low_bytes is not None:
        image = scale_colours(image, low_bytes, metadata.get("pixel_scale"))
    elif image.mode.startswith("I") or image.mode == "F":
        image = scale_greys(image, metadata.get("pixel_scale"))
    background = metadata.get("background")
    may_be_transparent = image.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info
    if background is not None and may_be_transparent:
        return lay_on(unmultiply(image).convert("RGBA"), tuple(background))
    if image.mode == "RGB":
        return image
    image.info.pop("transparency", None)
    return unmultiply(image).convert("RGB")


def scale_colours(image: Image.Image, low_bytes: Array, scale: dict[str, Any] | None) -> Image.Image:
    """Return colours of 16 bits per channel with 8 bits; alpha keeps its upper byte."""
    high_bytes = np.asarray(image)
    samples = (high_bytes[..., :3].astype(np.uint16) << 8) | low_bytes[..., :3]
    colours, alpha = high_bytes[..., :3] if scale is None else scale_to_8_bit(samples, scale), high_bytes[..., 3:]
    colour = image.info.get("transparency")
    if isinstance(colour, tuple):
        alpha = np.where((samples == np.array(colour, np.uint16)).all(axis=2), 0, 255).astype(np.uint8)[..., None]
    return Image.fromarray(np.concatenate([colours, alpha], axis=2))


def scale_greys(image: Image.Image, scale: dict[str, Any] | None) -> Image.Image:
    """Return grey values beyond 8 bit as RGB, or as RGBA where one of them is transparent."""
    samples = read_samples(image)
    grey = scale_to_8_bit(samples, scale)
    if image.format == "TIFF" and getattr(image, "tag_v2", {}).get(PHOTOMETRIC_TAG) == 0:
        grey = 255 - grey  # WhiteIsZero: Pillow inverts 8-bit samples only.
    picture = Image.fromarray(grey).convert("RGB")
    colour = image.info.get("transparency")
    if isinstance(colour, int):
        picture.putalpha(Image.fromarray(np.where(samples == colour, 0, 255).astype(np.uint8)))
    return picture


def unmultiply(image: Image.Image) -> Image.Image:
    """Return an image with premultiplied alpha as one without; others as they are."""
    if image.mode in {"RGBa", "La"}:
        return image.convert("RGBA" if image.mode == "RGBa" else "LA")
    return image


def lay_on(rgba: Image.Image, colour: Any) -> Image.Image:
    """Return an RGBA image laid on one colour; alpha that is 0 everywhere is ignored."""
    alpha = rgba.getchannel("A")
    lowest, highest = alpha.getextrema()
    if lowest == 255 or highest == 0:
        return rgba.convert("RGB")
    canvas = Image.new("RGB", rgba.size, colour)
    canvas.paste(rgba.convert("RGB"), mask=alpha)
    return canvas


def scale_to_8_bit(samples: Array, scale: dict[str, Any] | None) -> Array:
    """Return grey values as levels from 0 to 255, by the scale of the dataset that the model has learned from."""
    if scale is None:
        return scale_alone(samples)
    low, high = float(scale["min"]), float(scale["max"])
    if scale.get("has_unit_images") and holds_unit_range(samples):
        low, high = 0.0, 1.0
    values = np.nan_to_num(samples.astype(np.float64), nan=low, posinf=low, neginf=low)
    levels = (np.clip(values, low, high) - low) * (255.0 / (high - low))
    return np.asarray(np.rint(levels), dtype=np.uint8)


def holds_unit_range(samples: Array) -> bool:
    """Say whether an image has floating-point values from 0 to 1 only, but for rounding and holes."""
    finite = samples[np.isfinite(samples)]
    if samples.dtype.kind != "f" or not finite.size:
        return False
    return bool(finite.min() >= -UNIT_TOLERANCE and finite.max() <= 1.0 + UNIT_TOLERANCE)


def scale_alone(samples: Array) -> Array:
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
        span = high - low
        values = (values - low) * (255.0 / span) if span else np.zeros_like(values)
    return np.asarray(np.rint(values), dtype=np.uint8)


def resize_image(pixels: Array, recipe: dict[str, Any], input_size: list[int]) -> Array:
    """Return uint8 RGB (height, width, 3) at the model's input size, antialiased."""
    image = Image.fromarray(pixels)
    resample = RESAMPLING[recipe["interpolation"]]
    if recipe["mode"] == "stretch":
        return np.array(image.resize((recipe["size"][1], recipe["size"][0]), resample))
    if recipe["mode"] == "crop":
        return np.array(crop_centre(resize_shorter_side(image, recipe["size"][0], resample), input_size))
    return np.array(letterbox(image, recipe["size"], resample))


def resize_shorter_side(image: Image.Image, side_px: int, resample: Image.Resampling) -> Image.Image:
    """Return the image with its shorter side at `side_px`, its aspect ratio kept."""
    shorter = min(image.size)
    width, height = (side_px if side == shorter else side_px * side // shorter for side in image.size)
    return image.resize((width, height), resample)


def crop_centre(image: Image.Image, size: list[int]) -> Image.Image:
    """Return the middle of the image, `size` is [height, width]."""
    height, width = size
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def letterbox(image: Image.Image, size: list[int], resample: Image.Resampling) -> Image.Image:
    """Return the image fitted into `size` [height, width], the rest grey."""
    height, width = size
    scale = min(width / image.width, height / image.height)
    fitted = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    canvas = Image.new("RGB", (width, height), (PADDING_GREY,) * 3)
    canvas.paste(image.resize(fitted, resample), ((width - fitted[0]) // 2, (height - fitted[1]) // 2))
    return canvas


def check_files(folder: Path) -> bool:
    """Compare every file of the bundle with its checksum and name those that changed; without a list all is well."""
    path = folder / "SHA256SUMS"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    failures = 0
    for checksum, name in (line.split("  ", 1) for line in lines):
        file = folder / name
        found = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None
        if found == checksum:
            continue
        problem = "is missing" if found is None else "has changed since the bundle was written"
        is_data = name not in YOURS
        failures += is_data
        print(f"{name}  {'FAILED  it ' if is_data else ''}{problem}")
    return not failures


def check_golden(model: Model, folder: Path) -> bool:
    """Run the golden set: the files from their pixels on, and the stored inputs; print what was found."""
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    inputs, tolerance = np.load(folder / "golden.npz"), float(expected["tolerance"])
    failures = 0
    for index, entry in enumerate(expected["images"]):
        stored = inputs["images"][index : index + 1]
        pixel_gap = int(np.abs(model.prepare(folder / entry["file"]).astype(int) - stored).max())
        outputs = model.run(stored)
        gap = max(
            measure_gap(outputs[name][0], inputs[name][index], inputs[name], expected.get("scales", {}).get(name))
            for name in model.names
        )
        wrong = compare_answers(decode(outputs, model.metadata)[0], entry["predictions"])
        is_good = pixel_gap <= int(expected["pixel_tolerance"]) and gap < tolerance and not wrong
        failures += not is_good
        note = f"  {wrong}" if wrong else ""
        print(f"{entry['file']}  {'ok' if is_good else 'FAILED'}  outputs {gap:.1e}  pixels {pixel_gap}{note}")
    print(f"{len(expected['images']) - failures} of {len(expected['images'])} golden images agree.")
    return failures == 0 and bool(expected["images"])


def check_bundle(model_path: Path) -> int:
    """Check the files, then the answers; returns the exit code."""
    is_whole = check_files(HERE)
    try:
        agrees = check_golden(Model(model_path), HERE / "golden")
    except Exception as error:
        if is_whole:
            raise
        print(f"The golden set cannot be run with files that have changed: {error}")  # they were named above
        return 1
    return 0 if is_whole and agrees else 1


def measure_gap(found: Array, expected: Array, all_expected: Array, scales: Array = None) -> float:
    """Return the largest difference of one image: in `scales` when given, else in the largest expected value.

    A model may answer in metres or in nanometres, or in seconds since 1970.
    """
    scale = np.asarray(scales, dtype=float) if scales else float(np.abs(all_expected).max()) or 1.0
    return float((np.abs(found.astype(float) - expected.astype(float)) / scale).max())


def compare_answers(found: Any, expected: Any, name: str = "") -> str:
    """Return where an answer has other names than was expected, empty when it has not.

    Numbers are compared before, as outputs; here it counts which class they are said of.
    """
    if isinstance(expected, dict):
        if not isinstance(found, dict) or list(found) != list(expected):
            return f"{name or 'answer'}: {shorten(found)} instead of {shorten(expected)}"
        problems = (compare_answers(found[key], value, f"{name}.{key}".strip(".")) for key, value in expected.items())
        return next((problem for problem in problems if problem), "")
    if isinstance(expected, str) and found != expected:
        return f"{name}: {shorten(found)} instead of {shorten(expected)}"
    return ""


def shorten(value: Any) -> str:
    """Return a value or the keys of a dictionary as a short text."""
    text = ", ".join(map(str, value)) if isinstance(value, dict) else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def find_images(given: list[str]) -> Iterator[Path]:
    """Yield the files that were given, and those in folders that are or should be images, everything below included."""
    for text in given:
        # A shell of Windows hands over *.jpg as it is.
        names = [text] if os.path.lexists(text) else sorted(glob.glob(text, recursive=True)) or [text]  # noqa: PTH207
        for path in map(Path, names):
            yield from find_below(path) if path.is_dir() else [path]


def find_below(root: Path) -> Iterator[Path]:
    """Yield the images of a folder and of the folders in it, by name; hidden ones are left out, links not followed."""
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder) / name
            if not name.startswith(".") and (path.suffix.lower() in ENDINGS or begins_like_image(path)):
                yield path


def begins_like_image(path: Path) -> bool:
    """Say whether a file begins like an image in a format that is read."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return True  # reading it will say why it fails
    return head.startswith(STARTS) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


class Report:
    """Writes the answers, one after the other, as text, JSON or CSV."""

    def __init__(self, kind: str, target: TextIO, metadata: dict[str, Any]) -> None:
        self.kind, self.target, self.count = kind, target, 0
        self.metadata = metadata
        if kind == "csv":
            self.rows = csv.writer(target)

    def add(self, path: Path, answer: dict[str, Any]) -> None:
        """Write the answer for one image."""
        name = str(path)
        if self.kind == "csv":
            self.write_row(name, answer)
        elif self.kind == "json":
            text = json.dumps(answer, ensure_ascii=False)
            self.target.write(f"{',' if self.count else '{'}\n{json.dumps(name, ensure_ascii=False)}: {text}")
        else:
            self.target.write(f"{name}  {describe(answer)}\n")
        self.target.flush()
        self.count += 1

    def write_row(self, name: str, answer: dict[str, Any]) -> None:
        """Write a row of CSV, the first one after its header."""
        found = list_cells(answer, self.metadata)
        header, cells = ["file", *(column for column, _ in found)], [cell for _, cell in found]
        if self.count == 0:
            self.rows.writerow([neutralize(cell) for cell in header])
        self.rows.writerow([neutralize(cell) for cell in (name, *cells)])

    def close(self) -> None:
        """Complete what was written."""
        if self.kind == "json":
            self.target.write("\n}\n" if self.count else "{}\n")
        self.target.flush()


def neutralize(cell: Any) -> Any:
    """Return a text that a spreadsheet shows and does not compute; numbers stay numbers."""
    is_formula = isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{cell}" if is_formula else cell


def describe_failure(error: Exception) -> str:
    """Return why a file could not be predicted."""
    if type(error).__name__ == "UnidentifiedImageError":
        return f"This is not an image that can be read: none of {', '.join(FORMATS)}."
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def predict_all(model: Model, paths: list[Path], report: Report) -> int:
    """Answer every image and return how many failed; names those, and how far it is when that takes long."""
    failures, next_s = 0, time.monotonic() + PROGRESS_S
    for number, path in enumerate(paths):
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + PROGRESS_S
            print(f"{number:,} of {len(paths):,} images", file=sys.stderr)
        try:
            answer = model.predict(path)
        except IMAGE_ERRORS as error:
            failures += 1
            print(f"{path}: {describe_failure(error)}", file=sys.stderr)
            continue
        report.add(path, answer)
    report.close()
    if failures:
        print(
            f"{failures:,} of {len(paths):,} {'file' if len(paths) == 1 else 'files'} could not be read.",
            file=sys.stderr,
        )
    return failures


@contextlib.contextmanager
def open_target(path: Path | None) -> Iterator[TextIO]:
    """Open the file for the answers, standard output without one; UTF-8 either way."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A name that is no text has to be shown all the same.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    if path is None:
        yield sys.stdout
    else:
        with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield file


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 1 when an image cannot be read, or the check fails."""
    parser = argparse.ArgumentParser(description="Run an exported model on images.")
    parser.add_argument("images", nargs="*", help="image files, or folders with their subfolders")
    parser.add_argument("--model", type=Path, default=HERE / "model.onnx", help="the model file (default: %(default)s)")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--json", action="store_const", const="json", dest="kind", help="print JSON")
    kinds.add_argument("--csv", action="store_const", const="csv", dest="kind", help="print a CSV table")
    parser.add_argument("--output", type=Path, help="write to this file; the ending .csv or .json selects the format")
    parser.add_argument(
        "--check",
        action="store_true",
        help="verify the checksums, and the predictions for golden/",
    )
    options = parser.parse_args(arguments)
    if options.check:
        return check_bundle(options.model)
    if not options.images:
        parser.error("name image files or folders, or use --check")
    paths = list(dict.fromkeys(find_images(options.images)))
    if not paths:
        parser.exit(1, f"There are no images in {', '.join(options.images)}.\n")
    ending = options.output.suffix.lower()[1:] if options.output else ""
    kind = options.kind or (ending if ending in {"csv", "json"} else "text")
    model = Model(options.model)
    if options.output and not options.output.parent.is_dir():
        parser.exit(1, f"The folder {options.output.parent} does not exist. Create it, or choose another --output.\n")
    with open_target(options.output) as target:
        failures = predict_all(model, paths, Report(kind, target, model.metadata))
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:  # whoever reads the answers, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
