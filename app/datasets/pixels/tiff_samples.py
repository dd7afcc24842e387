"""Samples of TIFF files that Pillow does not open or reads wrongly, and names for those that cannot be read.

Pillow and numpy only. The predict script that ships with an exported model repeats all but the names.
"""

from __future__ import annotations

from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageFile, TiffImagePlugin

Samples: TypeAlias = "np.ndarray[Any, Any]"

_BITS_TAG, _CHANNELS_TAG, _FORMAT_TAG = 258, 277, 339
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_COMPLEX = (5, 6)
_READ_CHANNELS = (1, 3, 4)
_READ_BITS = (1, 2, 4, 8, 12, 16)
# Keys as Pillow has them: byte order, black is zero, format of the samples, order of bits, bits per sample, further
# channels. The values are the mode of the image and how its bytes are unpacked.
_KINDS: dict[Any, tuple[str, str]] = {
    (b"II", 1, (_SIGNED,), 1, (8,), ()): ("I", "I;8S"),
    (b"MM", 1, (_SIGNED,), 1, (8,), ()): ("I", "I;8S"),
    (b"II", 1, (_FLOAT,), 1, (16,), ()): ("I;16", "I;16"),
    (b"MM", 1, (_FLOAT,), 1, (16,), ()): ("I;16", "I;16B"),
    (b"II", 1, (_FLOAT,), 1, (64,), ()): ("F", "F;64F"),
    (b"MM", 1, (_FLOAT,), 1, (64,), ()): ("F", "F;64BF"),
    (b"MM", 1, (_UNSIGNED,), 1, (32,), ()): ("I", "I;32BS"),
}
_NATIVE = {"I;16BS": "I;16NS", "I;32BS": "I;32NS", "F;32BF": "F;32NF", "F;64BF": "F;64NF"}

# Pillow has no entry for these, or one for 8 bits with a sign that wraps numbers below 0 around to 128 and more.
TiffImagePlugin.OPEN_INFO.update(_KINDS)
TiffImagePlugin.OPEN_INFO.setdefault((b"MM", 1, (1,), 1, (12,), ()), ("I;16", "I;12"))
# Pillow has few entries for samples beyond 8 bit in which 0 is white; whoever reads them inverts them.
for _key, _modes in list(TiffImagePlugin.OPEN_INFO.items()):
    if _key[1] == 1 and _modes[0] in {"I", "F", "I;16", "I;16B"}:
        TiffImagePlugin.OPEN_INFO.setdefault((_key[0], 0, *_key[2:]), _modes)


class TiffKind(NamedTuple):
    """What a TIFF holds that cannot be read, as a sentence, and what to do about it."""

    message: str
    fix: str


def use_native_order(image: Image.Image) -> None:
    """Correct how an opened TIFF, which is not loaded yet, is unpacked.

    libtiff gives decompressed samples in the byte order of this machine; Pillow takes those of some kinds to be in the
    order of the file still.
    """
    if image.format != "TIFF" or not isinstance(image, ImageFile.ImageFile):
        return
    image.tile = [
        tile._replace(args=(_NATIVE.get(tile.args[0], tile.args[0]), *tile.args[1:]))
        if tile.codec_name == "libtiff" and isinstance(tile.args, tuple)
        else tile
        for tile in image.tile
    ]


def read_samples(image: Image.Image) -> Samples:
    """Return the grey values of a loaded image beyond 8 bit, in the type that its file means."""
    samples: Samples = np.asarray(image)
    if image.format != "TIFF":
        return samples
    tags = getattr(image, "tag_v2", {})
    bits, kind = _first(tags.get(_BITS_TAG), 1), _first(tags.get(_FORMAT_TAG), _UNSIGNED)
    if image.mode == "I" and (bits, kind) == (32, _UNSIGNED):
        return samples.view(np.uint32)
    if image.mode == "I;16" and kind == _FLOAT:
        return samples.view(np.float16).astype(np.float32)
    return samples


def name_tiff(file: BinaryIO) -> TiffKind | None:
    """Return what a TIFF that Pillow does not open holds; None where it is damaged or its kind is not known.

    Raises what Pillow raises on damaged files.
    """
    file.seek(0)
    head = file.read(8)
    if head[2:3] == b"+" or head[3:4] == b"+":
        head += file.read(8)
    directory = TiffImagePlugin.ImageFileDirectory_v2(head)
    file.seek(directory.next)
    directory.load(file)
    bits, kind = _first(directory.get(_BITS_TAG), 1), _first(directory.get(_FORMAT_TAG), _UNSIGNED)
    channels = _first(directory.get(_CHANNELS_TAG), 1)
    if kind in _COMPLEX:
        return TiffKind("This TIFF has complex numbers.", "Save their magnitude as 32-bit floating-point values.")
    if channels not in _READ_CHANNELS:
        fix = "Save one of them as greyscale, or three as RGB."
        return TiffKind(f"This TIFF has {channels:,} channels; images with 1, 3 or 4 can be read.", fix)
    numbers = {_SIGNED: "signed whole numbers", _FLOAT: "floating-point values"}.get(kind, "whole numbers")
    if channels > 1 and (kind != _UNSIGNED or bits > 16):
        fix = "Save it as RGB with 8 or 16 bits per colour, or one channel as 32-bit floating-point values."
        return TiffKind(f"This TIFF has colours as {bits}-bit {numbers}, which cannot be read.", fix)
    if channels == 1 and bits not in _READ_BITS:
        fix = "Save it as 32-bit floating-point values, or as 16-bit whole numbers."
        return TiffKind(f"This TIFF has {bits}-bit {numbers}, which cannot be read.", fix)
    return None


def _first(value: object, default: int) -> int:
    found = value[0] if isinstance(value, tuple) and value else value
    return found if isinstance(found, int) else default
