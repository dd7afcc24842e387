"""Small image files for the tests of this folder, some written byte by byte so that no Pillow code made them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

_SHORT, _LONG = 3, 4
_CODES = {_SHORT: "H", _LONG: "I"}
_FORMATS = {"u": 1, "i": 2, "f": 3, "c": 6}
_NO_COMPRESSION, _DEFLATE = 1, 8


def gradient(height: int = 24, width: int = 32) -> np.ndarray[Any, Any]:
    """Return a uint8 RGB picture whose channels differ and which no flip or turn leaves as it is."""
    rows, columns = np.mgrid[0:height, 0:width]
    red, green = columns * 255 // max(1, width - 1), rows * 255 // max(1, height - 1)
    return np.stack([red, green, (red + 2 * green) // 3], axis=-1).astype(np.uint8)


def write_image(path: Path, array: np.ndarray[Any, Any] | None = None, **options: Any) -> Path:
    """Write a picture in the format of the path's ending, folders included.

    Without given pixels all show the same, and a PNG is another file for each name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if array is None and path.suffix == ".png":
        info = PngInfo()
        info.add_text("name", "/".join(path.parts[-3:]).encode("ascii", "backslashreplace").decode())
        options = {"pnginfo": info, **options}
    Image.fromarray(gradient() if array is None else array).save(path, **options)
    return path


def write_truncated_jpeg(path: Path) -> Path:
    """Write a JPEG with a sound header whose pixels end in the middle."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    write_image(path, noise, quality=95)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def write_png(
    path: Path,
    samples: np.ndarray[Any, Any],
    chunks: tuple[tuple[bytes, bytes], ...] = (),
    clear: Sequence[int] = (),
    bits: int | None = None,
) -> Path:
    """Write samples of shape (height, width, channels) in 8 or 16 bit as PNG, or grey ones with fewer `bits`.

    `chunks` come after the pixels; `clear` is the colour that is transparent.
    """
    height, width, channels = samples.shape
    depth = bits or samples.dtype.itemsize * 8
    if depth < 8:
        samples = np.packbits((samples >> np.arange(depth - 1, -1, -1)) & 1, axis=None).reshape(height, -1)
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    raw = b"".join(b"\0" + row.astype(samples.dtype.newbyteorder(">")).tobytes() for row in samples)
    transparency = [(b"tRNS", struct.pack(f">{len(clear)}H", *clear))] if clear else []
    parts = [(b"IHDR", header), *transparency, (b"IDAT", zlib.compress(raw)), *chunks, (b"IEND", b"")]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in parts))
    return path


def write_tiff(
    path: Path,
    samples: np.ndarray[Any, Any],
    sample_format: int | None = None,
    *,
    order: str = "<",
    is_deflated: bool = False,
    has_planes: bool = False,
    photometric: int | None = None,
) -> Path:
    """Write samples (height, width) or (height, width, channels) as a TIFF that Pillow did not make, in one strip.

    `sample_format` is that of the samples where it is not given; 0 leaves the tag out, which means whole numbers
    without a sign. `has_planes`: in one strip for each channel.
    """
    height, width, *channels = samples.shape
    num_channels = channels[0] if channels else 1
    kind, bits = _FORMATS[samples.dtype.kind], samples.dtype.itemsize * 8
    ordered = samples.astype(samples.dtype.newbyteorder(order))
    planes = [ordered[..., number] for number in range(num_channels)] if has_planes else [ordered]
    strips = [zlib.compress(plane.tobytes()) if is_deflated else plane.tobytes() for plane in planes]
    data = b"".join(strips)
    entries: list[tuple[int, int, list[int]]] = [
        (256, _LONG, [width]),
        (257, _LONG, [height]),
        (258, _SHORT, [bits] * num_channels),
        (259, _SHORT, [_DEFLATE if is_deflated else _NO_COMPRESSION]),
        (262, _SHORT, [photometric if photometric is not None else 2 if num_channels >= 3 else 1]),
        (273, _LONG, [8 + sum(map(len, strips[:number])) for number in range(len(strips))]),
        (277, _SHORT, [num_channels]),
        (278, _LONG, [height]),
        (279, _LONG, [len(strip) for strip in strips]),
        *([(284, _SHORT, [2])] if has_planes else []),
        *([(338, _SHORT, [0])] if has_planes and num_channels == 4 else []),  # no alpha, but something else
    ]
    if sample_format != 0:
        entries.append((339, _SHORT, [sample_format or kind] * num_channels))
    place = 8 + len(data) + len(data) % 2
    magic = b"II*\0" if order == "<" else b"MM\0*"
    path.write_bytes(magic + struct.pack(f"{order}I", place) + data + b"\0" * (len(data) % 2))
    with path.open("ab") as file:
        file.write(_build_directory(entries, place, order))
    return path


def _build_directory(entries: list[tuple[int, int, list[int]]], place: int, order: str) -> bytes:
    """Return the directory that begins at a place of the file, with the values that do not fit into it behind it."""
    directory, behind = struct.pack(f"{order}H", len(entries)), b""
    after = place + 2 + 12 * len(entries) + 4
    for tag, kind, values in entries:
        packed = struct.pack(f"{order}{len(values)}{_CODES[kind]}", *values)
        if len(packed) > 4:
            behind, packed = behind + packed, struct.pack(f"{order}I", after + len(behind))
        directory += struct.pack(f"{order}HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    return directory + struct.pack(f"{order}I", 0) + behind


def exif_orientation(value: int) -> bytes:
    """Return a TIFF block that holds nothing but an orientation."""
    return struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, value, 0, 0)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
