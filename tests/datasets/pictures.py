"""Small image files for the tests of this folder, some written byte by byte so that no Pillow code made them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo


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


def write_png(path: Path, samples: np.ndarray[Any, Any], chunks: tuple[tuple[bytes, bytes], ...] = ()) -> Path:
    """Write samples of shape (height, width, channels) in 8 or 16 bit as PNG; `chunks` come after the pixels."""
    height, width, channels = samples.shape
    depth = samples.dtype.itemsize * 8
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    raw = b"".join(b"\0" + row.astype(samples.dtype.newbyteorder(">")).tobytes() for row in samples)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(raw)), *chunks, (b"IEND", b"")]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in parts))
    return path


def write_tiff(path: Path, samples: np.ndarray[Any, Any], sample_format: int) -> Path:
    """Write samples (height, width, channels) as a TIFF that Pillow did not make."""
    height, width, channels = samples.shape
    data, bits = samples.tobytes(), samples.dtype.itemsize * 8
    start = 8 + len(data)
    numbers = {256: width, 257: height, 259: 1, 262: 2 if channels >= 3 else 1, 273: 8, 277: channels, 279: len(data)}
    lists = {258: bits, 339: sample_format}
    count, tail, behind = len(numbers) + len(lists), b"", b""
    place = start + 2 + 12 * count + 4
    for tag in sorted([*numbers, *lists]):
        if tag in numbers:
            tail += struct.pack("<HHII", tag, 4, 1, numbers[tag])
        else:
            content = struct.pack(f"<{channels}H", *[lists[tag]] * channels)
            inline = content.ljust(4, b"\0") if channels <= 2 else struct.pack("<I", place + len(behind))
            behind += content if channels > 2 else b""
            tail += struct.pack("<HHI", tag, 3, channels) + inline
    path.write_bytes(
        struct.pack("<2sHI", b"II", 42, start) + data + struct.pack("<H", count) + tail + bytes(4) + behind
    )
    return path


def exif_orientation(value: int) -> bytes:
    """Return a TIFF block that holds nothing but an orientation."""
    return struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, value, 0, 0)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
