"""Entries of the cache: what makes a new one, which are sound, and which give way."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from app.datasets import cache_files
from app.datasets.cache_files import EntryFiles, KeptTarget, count_cached, describe_entry, locate_entry
from app.datasets.preprocessing import Preprocessing
from app.datasets.sample_cache import CacheRefusal, SampleCache, open_sample_cache
from app.schemas.export import ResizeRecipe
from app.schemas.payloads import DatasetLocation
from app.schemas.pixels import LEGACY, PixelReading, PixelScale
from tests.datasets.cached import CROP_PLAN, PLAN, ROW_BYTES, CachedDataset, make_dataset

GIB = 2**30


class Disk(NamedTuple):
    """What shutil.disk_usage returns."""

    total: int
    used: int
    free: int


@pytest.fixture
def dataset(tmp_path: Path) -> CachedDataset:
    return make_dataset(tmp_path, 9)


def plan_of(side: int) -> Preprocessing:
    return Preprocessing((side, side), ResizeRecipe(mode="stretch", size=[side, side]))


def fill_sides(dataset: CachedDataset, sides: Sequence[int]) -> list[EntryFiles]:
    """Fill one entry per side, used in this order, an hour apart."""
    entries = []
    for number, side in enumerate(sides):
        dataset.fill(range(9), plan_of(side))
        entry = locate_entry(dataset.folder / ".cache", describe_entry(dataset.table, plan_of(side)))
        used_s = time.time() - 3600 * (len(sides) - number)
        os.utime(entry.folder / "used", (used_s, used_s))
        entries.append(entry)
    return entries


def test_everything_that_changes_pixels_changes_the_entry(
    dataset: CachedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = dataset.table
    others = [
        describe_entry(msgspec.structs.replace(table, content_hash="other"), PLAN),
        describe_entry(msgspec.structs.replace(table, images=table.images[:8]), PLAN),
        describe_entry(table, CROP_PLAN),
        describe_entry(table, Preprocessing((24, 32), ResizeRecipe(mode="letterbox", size=[24, 32]))),
        describe_entry(table, Preprocessing((24, 32), PLAN.recipe.model_copy(update={"interpolation": "bicubic"}))),
        describe_entry(table, replace(PLAN, pixels=PixelReading(scale=PixelScale(min=0.0, max=1.0)))),
        describe_entry(table, replace(PLAN, pixels=PixelReading(scale=PixelScale(min=0.0, max=2.0)))),
        describe_entry(table, replace(PLAN, pixels=PixelReading(background=[0, 0, 0]))),
        describe_entry(table, replace(PLAN, pixels=LEGACY)),
    ]
    here = describe_entry(table, PLAN)
    assert "target" not in here  # entries from before targets were kept stay in use
    masks = KeptTarget("masks", ("cat",), 1)
    others += [describe_entry(table, PLAN, masks), describe_entry(table, PLAN, masks._replace(classes=("owl",)))]
    monkeypatch.setattr(cache_files, "PIXELS_VERSION", cache_files.PIXELS_VERSION + 1)
    others.append(describe_entry(table, PLAN))
    folders = {locate_entry(Path(), description).folder for description in [here, *others]}
    assert len(folders) == 13


def test_entries_from_before_there_was_a_choice_are_found_again(dataset: CachedDataset) -> None:
    assert "pixels" not in describe_entry(dataset.table, replace(PLAN, pixels=LEGACY))


def test_normalisation_does_not_change_the_entry(dataset: CachedDataset) -> None:
    other = Preprocessing(PLAN.input_size, PLAN.recipe, mean=(0.0, 0.0, 0.0))
    assert describe_entry(dataset.table, other) == describe_entry(dataset.table, PLAN)


@pytest.mark.parametrize("name", ["meta.json", "states.u64", "pixels.u8"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_entry_is_rebuilt(dataset: CachedDataset, name: str, damage: str) -> None:
    dataset.fill(range(9))
    path = dataset.entries()[0] / name
    if damage == "gone":
        path.unlink()
    else:
        os.truncate(path, path.stat().st_size // 2)
    with dataset.open() as cache:
        assert cache.num_present(dataset.rows) == 0
        dataset.read(range(9), cache)
    assert len(dataset.entries()) == 1
    with dataset.open() as cache:
        assert cache.num_present(dataset.rows) == 9


def test_rows_that_were_never_written_take_no_space(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, 40)
    dataset.fill([0], plan_of(224))
    status = EntryFiles(dataset.entries()[0]).pixels.stat()
    assert status.st_size == 40 * 224 * 224 * 3
    assert status.st_blocks * 512 < 4 * 224 * 224 * 3


def test_the_least_recently_used_entries_give_way(dataset: CachedDataset) -> None:
    oldest, middle, newest = fill_sides(dataset, [64, 65, 66])
    size = 9 * 66 * 66 * 3
    location = dataset.locate(3 * size + 60_000)  # Room for three entries with their small files, not for four.
    assert cache_files.make_room(oldest, cache_files.Demand(size, 0, 0), location.cache_budget_bytes) == ""
    assert [entry.folder.is_dir() for entry in (oldest, middle, newest)] == [True, True, True]
    fourth = locate_entry(dataset.folder / ".cache", describe_entry(dataset.table, plan_of(67)))
    assert cache_files.make_room(fourth, cache_files.Demand(size, size, 0), location.cache_budget_bytes) == ""
    assert [entry.folder.is_dir() for entry in (oldest, middle, newest)] == [False, True, True]


def test_opening_an_entry_makes_it_the_most_recently_used(dataset: CachedDataset) -> None:
    first, second = fill_sides(dataset, [64, 65])
    dataset.open(plan_of(64)).close()
    size = 9 * 65 * 65 * 3
    third = locate_entry(dataset.folder / ".cache", describe_entry(dataset.table, plan_of(66)))
    assert cache_files.make_room(third, cache_files.Demand(size, size, 0), 2 * size + 60_000) == ""
    assert [first.folder.is_dir(), second.folder.is_dir()] == [True, False]


def test_what_does_not_fit_is_refused_and_nothing_is_removed(dataset: CachedDataset) -> None:
    (other,) = fill_sides(dataset, [64])
    refusal = dataset.refuse(9 * ROW_BYTES - 1)
    assert (refusal.needed_bytes, refusal.budget_bytes) == (9 * ROW_BYTES, 9 * ROW_BYTES - 1)
    assert "AI_STUDIO_CACHE_BUDGET" in refusal.reason
    assert "read from their files" in refusal.reason
    assert other.folder.is_dir()


def test_only_the_rows_that_are_read_count(dataset: CachedDataset) -> None:
    opened = cache_files.make_room(
        locate_entry(dataset.folder, describe_entry(dataset.table, PLAN)),
        cache_files.Demand(3 * ROW_BYTES, 3 * ROW_BYTES, 0),
        3 * ROW_BYTES,
    )
    assert opened == ""
    assert dataset.refuse(3 * ROW_BYTES - 1, dataset.rows[:3]).needed_bytes == 3 * ROW_BYTES


def test_rows_of_the_same_entry_that_nobody_asks_for_give_way(dataset: CachedDataset) -> None:
    dataset.fill(range(6))
    rows = dataset.rows[5:]
    cache = open_sample_cache(dataset.locate(5 * ROW_BYTES), dataset.table, PLAN, rows)
    assert isinstance(cache, SampleCache)
    assert cache.num_present(dataset.rows) == 0
    cache.close()


@pytest.mark.parametrize(
    ("total", "free", "is_refused"),
    [(10 * GIB, GIB + 9 * ROW_BYTES, False), (10 * GIB, GIB, True), (100 * GIB, 4 * GIB, True)],
)
def test_a_part_of_the_disk_stays_free(
    dataset: CachedDataset, monkeypatch: pytest.MonkeyPatch, total: int, free: int, is_refused: bool
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: Disk(total, total - free, free))
    if is_refused:
        assert "are left alone" in dataset.refuse(GIB).reason
    else:
        dataset.open().close()


@pytest.mark.parametrize("changes", [{"cache_dir": ""}, {"cache_budget_bytes": 0}])
def test_the_cache_can_be_turned_off(dataset: CachedDataset, changes: dict[str, object]) -> None:
    location: DatasetLocation = dataset.locate().model_copy(update=changes)
    refusal = open_sample_cache(location, dataset.table, PLAN)
    assert isinstance(refusal, CacheRefusal)
    assert "turned off" in refusal.reason
    assert not (dataset.folder / ".cache").exists()


def test_the_folder_of_a_removed_dataset_does_not_come_back(dataset: CachedDataset) -> None:
    gone = CachedDataset(dataset.folder / "gone", dataset.table)
    assert "cannot be kept" in gone.refuse(GIB).reason
    assert not gone.folder.exists()


def test_leftovers_of_killed_processes_are_removed(dataset: CachedDataset) -> None:
    dataset.fill([0])
    samples = dataset.folder / ".cache" / "samples"
    for name, age_s in (("old", 7200.0), ("young", 60.0)):
        (samples / f".new-{name}").mkdir()
        os.utime(samples / f".new-{name}", (time.time() - age_s,) * 2)
    dataset.open().close()
    assert [path.name for path in dataset.entries() if path.name.startswith(".")] == [".new-young"]


def test_cached_images_can_be_counted_without_opening_the_cache(dataset: CachedDataset) -> None:
    cache_dir = dataset.folder / ".cache"
    assert count_cached(cache_dir, dataset.table, PLAN, dataset.rows) == 0
    dataset.fill([0, 1, 2])
    assert count_cached(cache_dir, dataset.table, PLAN, dataset.rows) == 3
    assert count_cached(cache_dir, dataset.table, PLAN, dataset.rows[2:]) == 1
    assert count_cached(cache_dir, dataset.table, CROP_PLAN, dataset.rows) == 0
