"""Writes the files that an engine leaves in its output directory: whole or not at all, and never NaN or infinity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from app.durable import write_bytes_durably
from app.schemas.common import without_non_finite


def write_json(path: Path, value: Any) -> None:
    """Replace the file by the value as JSON; numbers that are not finite become null."""
    write_bytes_durably(path, msgspec.json.encode(without_non_finite(value)))
