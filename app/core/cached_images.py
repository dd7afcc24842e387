"""How much of a run's images the cache of decoded images spares. Counts rows, never reads a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.datasets.cache_files import count_cached
from app.datasets.preprocessing import Preprocessing
from app.datasets.table import DatasetTable, ImageRecord
from app.schemas.payloads import DatasetLocation

MEGA = 1e6


@dataclass(frozen=True)
class Uncached:
    """Images that have to be read from their files, their pixels there, and what the cache grows by."""

    num_images: int
    megapixels: float
    bytes_to_keep: int
    has_cache: bool


def count_uncached(
    location: DatasetLocation, table: DatasetTable, images: Sequence[ImageRecord], preprocessing: Preprocessing
) -> Uncached:
    """Return what of these images of the table is not in the cache yet, taking images as equally large."""
    height, width = preprocessing.input_size
    row_bytes = height * width * 3
    has_cache = bool(location.cache_dir) and len(images) * row_bytes <= location.cache_budget_bytes
    num_cached = _count_cached(location, table, images, preprocessing) if has_cache else 0
    missing = len(images) - num_cached
    megapixels = sum(image.width * image.height for image in images) / MEGA * missing / max(1, len(images))
    return Uncached(missing, megapixels, missing * row_bytes if has_cache else 0, has_cache)


def _count_cached(
    location: DatasetLocation, table: DatasetTable, images: Sequence[ImageRecord], preprocessing: Preprocessing
) -> int:
    try:
        return count_cached(Path(location.cache_dir), table, preprocessing, images)
    except (OSError, ValueError):  # it was discarded or replaced meanwhile
        return 0
