"""What of a run's images the cache spares, entry by entry, within one budget."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.forecast.cached_images import Kept, count_uncached, plan_entries
from app.datasets.preprocessing import scale_preprocessing
from tests.datasets.cached import PLAN, ROW_BYTES, CachedDataset, make_dataset

LARGE = scale_preprocessing(PLAN, 2.0)


@pytest.fixture
def dataset(tmp_path: Path) -> CachedDataset:
    return make_dataset(tmp_path, 9)


def test_images_of_one_size_share_an_entry(dataset: CachedDataset) -> None:
    entries = plan_entries(Kept(dataset.rows[:6], PLAN), Kept(dataset.rows[6:], PLAN))
    assert [len(entry.images) for entry in entries] == [9]
    dataset.fill([0, 1])
    found = count_uncached(dataset.locate(), dataset.table, entries)
    assert (found.num_images, found.bytes_to_keep, found.has_cache) == (7, 7 * ROW_BYTES, True)


def test_two_sizes_are_counted_each_in_its_own_entry(dataset: CachedDataset) -> None:
    entries = plan_entries(Kept(dataset.rows[:6], LARGE), Kept(dataset.rows[6:], PLAN))
    dataset.fill([0, 1, 2, 3, 4], LARGE)
    dataset.fill([0, 6], PLAN)
    found = count_uncached(dataset.locate(), dataset.table, entries)
    assert (found.num_images, found.bytes_to_keep, found.has_cache) == (1 + 2, 4 * ROW_BYTES + 2 * ROW_BYTES, True)
    assert found.kept_megapixels == found.megapixels > 0


def test_the_second_entry_gets_what_the_first_leaves_of_the_budget(dataset: CachedDataset) -> None:
    entries = plan_entries(Kept(dataset.rows[:6], LARGE), Kept(dataset.rows[6:], PLAN))
    found = count_uncached(dataset.locate(24 * ROW_BYTES + 1), dataset.table, entries)
    assert (found.num_images, found.bytes_to_keep, found.has_cache) == (9, 24 * ROW_BYTES, False)
    pixels = sum(row.width * row.height for row in dataset.rows[:6]) / 1e6
    assert found.kept_megapixels == pytest.approx(pixels)
    assert found.megapixels > pixels
