"""Decoded images that are kept: always the right pixels or none."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import torch

from app.datasets import sample_cache
from app.datasets.cache_files import EntryFiles, KeptTarget
from app.datasets.pixels.colours import Array
from app.datasets.preprocessing import Preprocessing
from app.datasets.sample_cache import SampleCache, open_sample_cache, stamp_file
from app.schemas.export import ResizeRecipe
from tests.datasets.cached import PLAN, ROW_BYTES, CachedDataset, count_decoding, make_dataset
from tests.datasets.pictures import gradient, write_image, write_truncated_jpeg

RECIPES = [
    ResizeRecipe(mode="stretch", size=[24, 32], interpolation="bicubic"),
    ResizeRecipe(mode="crop", size=[33]),
    ResizeRecipe(mode="letterbox", size=[24, 32], interpolation="nearest"),
]


@pytest.fixture
def dataset(tmp_path: Path) -> CachedDataset:
    return make_dataset(tmp_path, 9)


def load(dataset: CachedDataset, cache: SampleCache, position: int) -> Array | None:
    out = np.zeros((24, 32, 3), np.uint8)
    row = dataset.rows[position]
    return out if cache.load(row, dataset.images_dir / row.filename, out) else None


def fail(*_arguments: object) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.mode)
def test_kept_pixels_equal_decoded_ones(dataset: CachedDataset, recipe: ResizeRecipe) -> None:
    plan = Preprocessing((24, 32), recipe)
    dataset.fill(range(9), plan)
    with dataset.open(plan) as cache:
        assert cache.num_present(dataset.rows) == 9
        images = torch.cat([batch.images for batch in dataset.read(range(9), cache, plan)])
    assert len(images) == 9
    assert all(torch.equal(image, dataset.expect(position, plan)) for position, image in enumerate(images))


def test_targets_lie_beside_the_pixels_in_an_entry_of_their_own(dataset: CachedDataset) -> None:
    row, kept = dataset.rows[3], KeptTarget("masks", ("cat", "owl"), 1)
    path = dataset.images_dir / row.filename
    mask = np.arange(24 * 32, dtype=np.uint32).astype(np.uint8).reshape(24, 32, 1)
    dataset.fill(range(9))
    for version, is_there in ((1, False), (1, True), (2, False)):
        cache = open_sample_cache(dataset.locate(), dataset.table, PLAN, None, (), kept._replace(version=version))
        assert isinstance(cache, SampleCache)
        with cache:
            assert cache.shape == (24, 32, 1)
            found = np.zeros(cache.shape, np.uint8)
            assert cache.load(row, path, found) == is_there
            assert np.array_equal(found, mask) == is_there
            cache.store(row, stamp_file(path), mask)
    with dataset.open() as pixels:
        assert (pixels.shape, pixels.num_present(dataset.rows)) == ((24, 32, 3), 9)


def test_other_jobs_decode_only_what_is_missing(dataset: CachedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = count_decoding(monkeypatch)
    dataset.fill([0, 1, 2, 3])
    dataset.fill([2, 3, 4])
    with dataset.open() as cache:
        assert (cache.num_present(dataset.rows), cache.count_missing(dataset.rows[3:6])) == (5, 1)
    assert decoded == [dataset.rows[position].filename for position in range(5)]


def test_rows_are_used_before_they_are_on_the_disk_but_not_by_others(dataset: CachedDataset) -> None:
    with dataset.open() as writer, dataset.open() as other:
        dataset.read([0, 1], writer)
        assert (writer.num_present(dataset.rows), other.num_present(dataset.rows)) == (2, 0)
        assert load(dataset, writer, 1) is not None
        assert load(dataset, other, 1) is None
        writer.sync()
        assert (writer.num_present(dataset.rows), other.num_present(dataset.rows)) == (2, 2)
        assert load(dataset, other, 1) is not None


def test_rows_are_synced_in_groups(dataset: CachedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_cache, "SYNC_ROWS", 4)
    with dataset.open() as writer, dataset.open() as other:
        dataset.read([0, 1, 2], writer)
        assert other.num_present(dataset.rows) == 0
        dataset.read([3], writer)
        assert writer._syncing is not None
        writer._syncing.result()
        assert other.num_present(dataset.rows) == 4


def test_a_kill_before_the_sync_leaves_no_row(dataset: CachedDataset) -> None:
    """The pixels were written, what says so was not."""
    program = (
        "import os, sys; from pathlib import Path; from tests.datasets.cached import CachedDataset, make_dataset\n"
        "dataset = make_dataset(Path(sys.argv[1]), 9); cache = dataset.open()\n"
        "dataset.read(range(5), cache); cache.sync(); dataset.read(range(9), cache); os.kill(os.getpid(), 9)"
    )
    result = subprocess.run([sys.executable, "-c", program, str(dataset.folder)], check=False)
    assert result.returncode == -9
    with dataset.open() as cache:
        assert cache.num_present(dataset.rows) == 5
        images = torch.cat([batch.images for batch in dataset.read(range(9), cache)])
    assert all(torch.equal(image, dataset.expect(position)) for position, image in enumerate(images))


def test_pixels_that_are_not_what_was_written_are_not_used(dataset: CachedDataset) -> None:
    """A disk that lost a write: the state says present, the row is empty."""
    dataset.fill(range(9))
    pixels = EntryFiles(dataset.entries()[0]).pixels
    with pixels.open("r+b") as file:
        file.seek(3 * ROW_BYTES)
        file.write(bytes(ROW_BYTES))
    with dataset.open() as cache:
        lost = [position for position in range(9) if load(dataset, cache, position) is None]
        assert [sorted(row.filename for row in dataset.rows).index(dataset.rows[lost[0]].filename)] == [3]
        assert len(lost) == 1
        assert torch.equal(dataset.read(lost, cache)[0].images[0], dataset.expect(lost[0]))


def test_a_file_that_has_changed_is_decoded_again(dataset: CachedDataset) -> None:
    dataset.fill(range(9))
    write_image(dataset.images_dir / dataset.rows[4].filename, 255 - gradient(50, 60))
    with dataset.open() as cache:
        assert load(dataset, cache, 3) is not None
        assert load(dataset, cache, 4) is None
        dataset.read([4], cache)
    with dataset.open() as cache:
        assert load(dataset, cache, 3) is not None
        assert np.array_equal(np.asarray(load(dataset, cache, 4)), dataset.expect(4).permute(1, 2, 0).numpy())


def test_unreadable_images_are_remembered_by_later_jobs(
    dataset: CachedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = dataset.rows[5].filename
    write_truncated_jpeg(dataset.images_dir / name)
    decoded = count_decoding(monkeypatch)
    dataset.fill(range(9))
    assert len(decoded) == 9
    with dataset.open() as cache:
        assert cache.count_missing(dataset.rows) == 0
        batches = dataset.read(range(9), cache)
    assert len(decoded) == 9
    skipped = [sample for batch in batches for sample in batch.skipped]
    assert [(sample.position, sample.filename) for sample in skipped] == [(5, name)]
    assert f"{name} cannot be read" in skipped[0].message
    write_image(dataset.images_dir / name)
    with dataset.open() as cache:
        assert not [sample for batch in dataset.read(range(9), cache) for sample in batch.skipped]


def test_a_missing_image_is_not_remembered(dataset: CachedDataset) -> None:
    path = dataset.images_dir / dataset.rows[0].filename
    path.rename(dataset.folder / "elsewhere")
    dataset.fill([0, 1])
    with dataset.open() as cache:
        assert cache.num_present(dataset.rows) == 1


@pytest.mark.parametrize("place", ["_write_row", "_write_state"])
def test_a_full_disk_ends_the_keeping_and_not_the_reading(
    dataset: CachedDataset, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, place: str
) -> None:
    dataset.fill([0, 1, 2])
    monkeypatch.setattr(SampleCache, place, fail)
    with dataset.open() as cache, caplog.at_level(logging.WARNING):
        batches = [batch for _ in range(2) for batch in dataset.read(range(9), cache)]
        cache.sync()
        assert "No space left on device" in cache.note
        assert cache.num_present(dataset.rows) == 3
    assert sum(len(batch.positions) for batch in batches) == 18
    assert caplog.text.count("no longer kept") == 1


def test_rows_of_a_failed_sync_are_not_used(dataset: CachedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_cache, "flush_to_disk", fail)
    with dataset.open() as cache:
        dataset.read(range(9), cache)
        cache.sync()
        assert (cache.num_present(dataset.rows), load(dataset, cache, 0)) == (0, None)
        assert cache.note
    with dataset.open() as cache:
        assert cache.num_present(dataset.rows) == 0


def test_a_nearly_full_disk_ends_the_keeping(dataset: CachedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    with dataset.open() as cache:
        dataset.read([0], cache)
        monkeypatch.setattr(sample_cache, "measure_free", lambda _path: 2**20)
        cache.sync()
        dataset.read([1], cache)
        assert "nearly full" in cache.note
        assert cache.num_present(dataset.rows) == 1


@pytest.mark.slow
def test_two_processes_may_fill_the_same_entry(dataset: CachedDataset) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.datasets.cached import CachedDataset, make_dataset\n"
        "dataset = CachedDataset(Path(sys.argv[1]), make_dataset(Path(sys.argv[2]), 9).table)\n"
        "print('ready', flush=True); sys.stdin.readline(); dataset.fill(range(9))"
    )
    command = [sys.executable, "-c", program, str(dataset.folder)]
    writers = [
        subprocess.Popen([*command, str(dataset.folder / name)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for name in "ab"
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
    for writer in writers:
        writer.communicate(b"go\n", timeout=60)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(dataset.entries()) == 1
    with dataset.open() as cache:
        assert cache.num_present(dataset.rows) == 9
        kept = [load(dataset, cache, position) for position in range(9)]
    expected = [dataset.expect(position).permute(1, 2, 0).numpy() for position in range(9)]
    assert all(np.array_equal(np.asarray(found), right) for found, right in zip(kept, expected, strict=True))


def test_an_entry_is_in_use_as_long_as_it_is_read(dataset: CachedDataset) -> None:
    with dataset.open() as cache:
        used = dataset.entries()[0] / "used"
        for leave_s in (7200, 3600):
            os.utime(used, (time.time() - leave_s,) * 2)
            dataset.read([0], cache)
            assert time.time() - used.stat().st_mtime < 60
        os.utime(used, (0, 0))
    assert time.time() - used.stat().st_mtime < 60


@pytest.mark.skipif(sys.platform == "win32", reason="files that are open cannot be removed there")
def test_reading_goes_on_when_the_dataset_is_cleared(dataset: CachedDataset) -> None:
    with dataset.open() as cache:
        dataset.read([0, 1, 2], cache)
        expected = torch.cat([batch.images for batch in dataset.read([0, 1, 2], cache)])
        shutil.rmtree(dataset.folder)
        batch = dataset.read([0, 3, 1, 2], cache)[0]
        assert batch.positions == [0, 1, 2]
        assert torch.equal(batch.images, expected)
        assert [sample.position for sample in batch.skipped] == [3]
    assert not dataset.folder.exists()


def test_pixels_of_another_size_are_refused(dataset: CachedDataset) -> None:
    with dataset.open(PLAN) as cache, pytest.raises(ValueError, match=r"shape \(24, 32, 3\), not uint8 \(5, 5, 3\)"):
        cache.store(dataset.rows[0], 1, np.zeros((5, 5, 3), np.uint8))


@pytest.mark.slow
@pytest.mark.parametrize(("option", "is_bounded"), [([], True), (["--mapped"], False)])
def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path, option: list[str], is_bounded: bool) -> None:
    """141 MiB of rows, read twice; a process that maps them shows that the measurement sees what stays."""
    command = [sys.executable, "-m", "tests.datasets.reading_memory", str(tmp_path), *option]
    growth_mb = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert (growth_mb < 40) if is_bounded else (growth_mb > 90)
