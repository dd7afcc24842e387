"""A process that reads every row of a cache twice and prints by how many MiB it has grown; started by a test.

With `--mapped` it maps the pixels and keeps them mapped, to show that the figure can be large. It writes to the map,
which is its own: pages that were only read are taken away from a process when memory is short.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import psutil

from app.datasets.batch_reader import BatchReader
from app.datasets.preprocessing import Preprocessing
from app.datasets.sample_cache import SampleCache, open_sample_cache
from app.datasets.table import DatasetTable, ImageRecord, StatsRecord
from app.schemas.export import ResizeRecipe
from app.schemas.payloads import DatasetLocation

SIDE_PX = 128
NUM_ROWS = 3_000
BATCH = 8
NUM_SETTLING = 40


def open_full_cache(folder: Path) -> tuple[DatasetTable, Preprocessing, SampleCache]:
    """Return a cache whose rows are all there; no image file exists."""
    rows = [ImageRecord(f"{number}.png", 1, 1, ["train"], [], content_hash=str(number)) for number in range(NUM_ROWS)]
    table = DatasetTable("", "", "", "", "", [], ["main"], StatsRecord(NUM_ROWS, 0, 0, 0, 0, []), rows)
    plan = Preprocessing((SIDE_PX, SIDE_PX), ResizeRecipe(mode="stretch", size=[SIDE_PX, SIDE_PX]))
    location = DatasetLocation(dataset_json="", images_dir="", cache_dir=str(folder / ".cache"))
    cache = open_sample_cache(location, table, plan)
    assert isinstance(cache, SampleCache), cache
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    for row in rows:
        cache.store(row, 0, pixels)
    cache.sync()
    return table, plan, cache


def measure_growth(folder: Path, is_mapped: bool) -> float:
    """Return by how many MiB the resident memory has grown at most since the first 40 batches."""
    table, plan, cache = open_full_cache(folder)
    process, sizes = psutil.Process(), []
    order = np.random.default_rng(1).permutation(NUM_ROWS).tolist()
    batches = [order[start : start + BATCH] for start in range(0, NUM_ROWS, BATCH)] * 2
    path = next((folder / ".cache" / "samples").glob("*/pixels.u8"))
    mapped = np.memmap(path, np.uint8, "c", shape=(NUM_ROWS, SIDE_PX * SIDE_PX * 3)) if is_mapped else None
    with cache, BatchReader(table.images, folder, plan, cache, num_threads=2, lookahead=2) as reader:
        for batch in reader.read(batches):
            assert len(batch.positions) > 0
            if mapped is not None:
                mapped[batch.positions] = 255 - mapped[batch.positions]
            sizes.append(process.memory_info().rss)
        assert reader.statistics.num_cached == 2 * NUM_ROWS
    return (max(sizes) - sizes[NUM_SETTLING]) / 2**20


if __name__ == "__main__":
    sys.stdout.write(f"{measure_growth(Path(sys.argv[1]), '--mapped' in sys.argv):.1f}\n")
