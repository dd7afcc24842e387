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
    """Images that have to be read from their files, their pixels there, and what the cache grows by.

    `kept_megapixels` of them fit the cache; `has_cache` says that all images of the run do.
    """

    num_images: int = 0
    megapixels: float = 0.0
    kept_megapixels: float = 0.0
    bytes_to_keep: int = 0
    has_cache: bool = True

    def __add__(self, other: Uncached) -> Uncached:
        return Uncached(
            self.num_images + other.num_images,
            self.megapixels + other.megapixels,
            self.kept_megapixels + other.kept_megapixels,
            self.bytes_to_keep + other.bytes_to_keep,
            self.has_cache and other.has_cache,
        )


@dataclass(frozen=True)
class Kept:
    """Images that a run keeps in one entry of the cache, and how they are prepared there."""

    images: Sequence[ImageRecord]
    preprocessing: Preprocessing


def plan_entries(train: Kept, val: Kept) -> list[Kept]:
    """Return the entries that a run opens, in this order: one when both are prepared in the same way."""
    if train.preprocessing == val.preprocessing:
        return [Kept([*train.images, *val.images], train.preprocessing)]
    return [train, val]


def count_uncached(location: DatasetLocation, table: DatasetTable, entries: Sequence[Kept]) -> Uncached:
    """Return what of these images of the table is not in the cache yet, taking those of an entry as equally large."""
    left_bytes = location.cache_budget_bytes if location.cache_dir else 0
    found = Uncached()
    for entry in entries:
        needed = len(entry.images) * _row_bytes(entry.preprocessing)
        part = _count_entry(location, table, entry, has_room=needed <= left_bytes)
        left_bytes -= needed if part.has_cache else 0
        found += part
    return found


def _count_entry(location: DatasetLocation, table: DatasetTable, entry: Kept, *, has_room: bool) -> Uncached:
    images = entry.images
    missing = len(images) - (_count_cached(location, table, entry) if has_room else 0)
    megapixels = sum(image.width * image.height for image in images) / MEGA * missing / max(1, len(images))
    if not has_room:
        return Uncached(missing, megapixels, has_cache=not images)
    return Uncached(missing, megapixels, megapixels, missing * _row_bytes(entry.preprocessing))


def _count_cached(location: DatasetLocation, table: DatasetTable, entry: Kept) -> int:
    if not location.cache_dir:
        return 0
    try:
        return count_cached(Path(location.cache_dir), table, entry.preprocessing, entry.images)
    except (OSError, ValueError):  # it was discarded or replaced meanwhile
        return 0


def _row_bytes(preprocessing: Preprocessing) -> int:
    height, width = preprocessing.input_size
    return height * width * 3
