"""A dataset of small different images with a place for its cache, and a count of what is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from app.datasets import batch_reader
from app.datasets.batch_reader import BatchReader, ReadBatch
from app.datasets.pixels.colours import Array
from app.datasets.preprocessing import Preprocessing
from app.datasets.reading import ResizePlan, read_pixels
from app.datasets.sample_cache import CacheRefusal, SampleCache, open_sample_cache
from app.datasets.table import DatasetTable, ImageRecord, StatsRecord
from app.schemas.export import ResizeRecipe
from app.schemas.payloads import DatasetLocation
from tests.datasets.pictures import gradient, write_image

PLAN = Preprocessing((24, 32), ResizeRecipe(mode="stretch", size=[24, 32]))
ROW_BYTES = 24 * 32 * 3
CROP_PLAN = Preprocessing((16, 16), ResizeRecipe(mode="crop", size=[18]))


@dataclass
class CachedDataset:
    """Images in a folder, their table, and where their cache lies."""

    folder: Path
    table: DatasetTable

    @property
    def rows(self) -> list[ImageRecord]:
        return self.table.images

    @property
    def images_dir(self) -> Path:
        return self.folder / "images"

    def locate(self, budget_bytes: int = 2**30) -> DatasetLocation:
        return DatasetLocation(
            dataset_json=str(self.folder / "dataset.json"),
            images_dir=str(self.images_dir),
            cache_dir=str(self.folder / ".cache"),
            cache_budget_bytes=budget_bytes,
        )

    def open(self, plan: ResizePlan = PLAN, rows: Sequence[ImageRecord] | None = None) -> SampleCache:
        cache = open_sample_cache(self.locate(), self.table, plan, rows)
        assert isinstance(cache, SampleCache), cache
        return cache

    def refuse(self, budget_bytes: int, rows: Sequence[ImageRecord] | None = None) -> CacheRefusal:
        refusal = open_sample_cache(self.locate(budget_bytes), self.table, PLAN, rows)
        assert isinstance(refusal, CacheRefusal)
        return refusal

    def read(
        self, positions: Sequence[int], cache: SampleCache | None = None, plan: ResizePlan = PLAN, size: int = 4
    ) -> list[ReadBatch]:
        """Read positions in batches in this thread."""
        batches = [positions[start : start + size] for start in range(0, len(positions), size)]
        with BatchReader(self.rows, self.images_dir, plan, cache, num_threads=0) as reader:
            return list(reader.read(batches))

    def fill(self, positions: Sequence[int], plan: ResizePlan = PLAN) -> None:
        """Put images into the cache as a job does."""
        with self.open(plan, [self.rows[position] for position in positions]) as cache:
            self.read(positions, cache, plan)

    def entries(self) -> list[Path]:
        """The folders of the cache's entries."""
        return sorted((self.folder / ".cache" / "samples").iterdir())

    def expect(self, position: int, plan: ResizePlan = PLAN) -> Tensor:
        return torch.from_numpy(read_pixels(self.rows[position], self.images_dir, plan)).permute(2, 0, 1)


def make_dataset(folder: Path, count: int) -> CachedDataset:
    """Write images of different sizes and pixels; JPEG, PNG and one that is turned by its orientation would do too."""
    rows = []
    for number in range(count):
        height, width = 30 + number, 44 + 2 * number
        name = f"{(number * 7) % count:03d}.{'jpg' if number % 2 else 'png'}"
        write_image(folder / "images" / name, np.roll(gradient(height, width), 5 * number, axis=1))
        rows.append(ImageRecord(name, width, height, ["train"], [], content_hash=f"{number:016x}"))
    stats = StatsRecord(count, 0, 0, 0, 0, ["jpeg", "png"])
    return CachedDataset(folder, DatasetTable("dataset-00000001", "", "", "", "", [], ["main"], stats, rows))


def count_decoding(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that receives the name of every image that is decoded from now on."""
    decoded: list[str] = []

    def decode(row: ImageRecord, images_dir: Path, plan: ResizePlan | None) -> Array:
        decoded.append(row.filename)
        return read_pixels(row, images_dir, plan)

    monkeypatch.setattr(batch_reader, "read_pixels", decode)
    return decoded
