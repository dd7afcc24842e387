"""Computes the checksum of a file, where it is written and where it is served. Standard library only."""

from __future__ import annotations

import hashlib
from pathlib import Path

BLOCK_BYTES = 2**20


def find_checksum(path: Path) -> str:
    """Return the sha256 of a file in hex; raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
