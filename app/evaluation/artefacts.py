"""Writes the files that an engine leaves in its output directory: whole or not at all, and never NaN or infinity."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from app.schemas.common import without_non_finite


def write_json(path: Path, value: Any) -> None:
    """Replace the file by the value as JSON; numbers that are not finite become null."""
    write_bytes(path, msgspec.json.encode(without_non_finite(value)))


def write_bytes(path: Path, data: bytes) -> None:
    """Replace the file by these bytes, synced to the disk before it gets its name."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    _sync_directory(path.parent)


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a finished file its name, synced to the disk first."""
    with temporary.open("rb+") as stream:
        os.fsync(stream.fileno())
    temporary.replace(path)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    """Make a new name durable; Windows cannot open directories."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
