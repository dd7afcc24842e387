"""Writes zips whose names are bytes of the caller's choice, as packers that are not Python write them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path


def write_zip(path: Path, entries: Sequence[tuple[bytes, bytes]], flags: int = 0, extras: Sequence[bytes] = ()) -> Path:
    """Write stored entries of name and content; `extras` are the extra fields of the directory's entries."""
    body, directory = b"", b""
    fields = [*extras, *[b""] * (len(entries) - len(extras))]
    for (name, data), extra in zip(entries, fields, strict=True):
        numbers = zlib.crc32(data), len(data), len(data), len(name)
        common = struct.pack("<HHHHHLLLH", 20, flags, 0, 0, 33, *numbers)
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + common
        directory += struct.pack("<HHHHLL", len(extra), 0, 0, 0, 0, len(body)) + name + extra
        body += b"PK\x03\x04" + common + struct.pack("<H", 0) + name + data
    count = len(entries)
    end = b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, count, count, len(directory), len(body), 0)
    path.write_bytes(body + directory + end)
    return path


def unicode_path(raw_name: bytes, name: str, version: int = 1) -> bytes:
    """Return the extra field that has the name of an entry in UTF-8."""
    field = struct.pack("<BL", version, zlib.crc32(raw_name)) + name.encode()
    return struct.pack("<HH", 0x7075, len(field)) + field
