"""Batches in order, whatever the pace, and threads that end."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Container
from pathlib import Path

import pytest
import torch

from app.datasets import batch_reader
from app.datasets.batch_reader import BatchReader, ReadStatistics
from app.datasets.images import UnreadableImageError
from app.datasets.pixels.colours import Array
from app.datasets.preprocessing import Preprocessing
from app.datasets.reading import ImageReadError, ResizePlan, read_pixels
from app.datasets.table import ImageRecord
from app.schemas.export import ResizeRecipe
from tests.datasets.cached import PLAN, CachedDataset, count_decoding, make_dataset

BATCHES = [[3, 1, 4], [0, 5, 2], [6], [8, 7]]
PACES = [(0, 0), (0, 2), (1, 0), (1, 3), (3, 0), (3, 1), (3, 9)]


@pytest.fixture
def dataset(tmp_path: Path) -> CachedDataset:
    return make_dataset(tmp_path, 9)


def open_reader(dataset: CachedDataset, num_threads: int, lookahead: int = 0) -> BatchReader:
    return BatchReader(dataset.rows, dataset.images_dir, PLAN, num_threads=num_threads, lookahead=lookahead)


def reading_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("read", "sync"))]


def replace_decoder(monkeypatch: pytest.MonkeyPatch, before: Callable[[ImageRecord], None]) -> None:
    """Do something before each image is decoded."""

    def decode(row: ImageRecord, images_dir: Path, plan: ResizePlan | None) -> Array:
        before(row)
        return read_pixels(row, images_dir, plan)

    monkeypatch.setattr(batch_reader, "read_pixels", decode)


@pytest.mark.parametrize("is_cached", [False, True])
@pytest.mark.parametrize(("num_threads", "lookahead"), PACES)
def test_batches_come_in_order_at_every_pace(
    dataset: CachedDataset, num_threads: int, lookahead: int, is_cached: bool
) -> None:
    if is_cached:
        dataset.fill([0, 1, 2, 3, 6])
    with dataset.open() as cache:
        with BatchReader(
            dataset.rows, dataset.images_dir, PLAN, cache, num_threads=num_threads, lookahead=lookahead
        ) as reader:
            batches = list(reader.read(BATCHES))
        statistics = reader.statistics
    assert [batch.positions for batch in batches] == BATCHES
    for batch in batches:
        assert torch.equal(batch.images, torch.stack([dataset.expect(position) for position in batch.positions]))
    assert (statistics.num_decoded, statistics.num_cached) == ((4, 5) if is_cached else (9, 0))
    assert reading_threads() == []


def test_images_are_channels_last_in_memory(dataset: CachedDataset) -> None:
    batch = dataset.read([0, 1, 2])[0]
    assert (batch.images.dtype, batch.images.shape) == (torch.uint8, (3, 3, 24, 32))
    assert batch.images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("num_threads", "lookahead"), [(0, 0), (2, 0), (2, 2)])
def test_unreadable_images_are_left_out_and_named(dataset: CachedDataset, num_threads: int, lookahead: int) -> None:
    for position in (1, 6):
        (dataset.images_dir / dataset.rows[position].filename).write_bytes(b"no image")
    with open_reader(dataset, num_threads, lookahead) as reader:
        batches = list(reader.read(BATCHES))
    assert [batch.positions for batch in batches] == [[3, 4], [0, 5, 2], [], [8, 7]]
    assert batches[2].images.shape == (0, 3, 24, 32)
    assert torch.equal(batches[0].images[1], dataset.expect(4))
    skipped = [sample for batch in batches for sample in batch.skipped]
    assert [(sample.position, sample.filename) for sample in skipped] == [
        (position, dataset.rows[position].filename) for position in (1, 6)
    ]
    assert all(sample.filename in sample.message for sample in skipped)


def test_an_image_that_the_recipe_does_not_fit_is_left_out(dataset: CachedDataset) -> None:
    plan = Preprocessing((40, 40), ResizeRecipe(mode="crop", size=[30]))
    batch = dataset.read([0, 1], plan=plan)[0]
    assert batch.positions == []
    assert "A crop of 40 × 40 pixels does not fit" in batch.skipped[0].message


def test_an_unreadable_image_is_not_tried_twice(dataset: CachedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    (dataset.images_dir / dataset.rows[1].filename).write_bytes(b"no image")
    decoded = count_decoding(monkeypatch)
    with open_reader(dataset, 0) as reader:
        first, second = reader.read([[0, 1], [1, 2]])
    assert first.skipped == second.skipped
    assert len(decoded) == 3


def fail_at(monkeypatch: pytest.MonkeyPatch, numbers: Container[int], cause: Callable[[], BaseException]) -> list[str]:
    """Let decoding fail the n-th time; return what was tried."""
    attempts: list[str] = []

    def fail(row: ImageRecord) -> None:
        attempts.append(row.filename)
        if len(attempts) in numbers:
            try:
                raise UnreadableImageError("The file cannot be read.", "") from cause()
            except UnreadableImageError as error:
                raise ImageReadError(str(error)) from error

    replace_decoder(monkeypatch, fail)
    return attempts


MEMORY_ERRORS = [MemoryError, lambda: OSError("out of memory error when reading image file")]


@pytest.mark.parametrize("cause", MEMORY_ERRORS)
def test_an_image_that_found_no_memory_is_tried_again_at_once(
    dataset: CachedDataset, monkeypatch: pytest.MonkeyPatch, cause: Callable[[], BaseException]
) -> None:
    attempts = fail_at(monkeypatch, {1}, cause)
    assert [batch.positions for batch in dataset.read([0, 1])] == [[0, 1]]
    assert len(attempts) == 3


@pytest.mark.parametrize("cause", MEMORY_ERRORS)
@pytest.mark.parametrize("num_threads", [0, 2])
def test_an_image_is_not_left_out_because_memory_is_short(
    dataset: CachedDataset, monkeypatch: pytest.MonkeyPatch, cause: Callable[[], BaseException], num_threads: int
) -> None:
    fail_at(monkeypatch, range(100), cause)
    monkeypatch.setattr(batch_reader, "_DECODING_BYTES", 2**45)
    with open_reader(dataset, num_threads) as reader, pytest.raises(MemoryError, match=r"decode \S+\.png"):
        list(reader.read([[0, 1]]))


@pytest.mark.parametrize("cause", MEMORY_ERRORS)
def test_an_image_that_wants_more_memory_than_its_pixels_is_left_out(
    dataset: CachedDataset, monkeypatch: pytest.MonkeyPatch, cause: Callable[[], BaseException]
) -> None:
    attempts = fail_at(monkeypatch, {1, 2}, cause)
    with dataset.open() as cache:
        assert [batch.positions for batch in dataset.read([0, 0], cache, size=1)] == [[], [0]]
    assert len(attempts) == 3


def test_what_may_pass_is_tried_again(dataset: CachedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = fail_at(monkeypatch, {1}, lambda: OSError(errno.EIO, os.strerror(errno.EIO)))
    with dataset.open() as cache:
        assert [len(batch.positions) for batch in dataset.read([0, 0], cache, size=1)] == [0, 1]
    assert len(attempts) == 2


def test_batches_are_read_ahead(dataset: CachedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    is_read = {row.filename: threading.Event() for row in dataset.rows}
    replace_decoder(monkeypatch, lambda row: is_read[row.filename].set())
    with open_reader(dataset, 1, lookahead=2) as reader:
        batches = reader.read(BATCHES)
        next(batches)
        for position in [*BATCHES[1], *BATCHES[2]]:
            assert is_read[dataset.rows[position].filename].wait(60)
        time.sleep(0.05)
        assert not is_read[dataset.rows[8].filename].is_set()


def test_images_of_a_batch_are_decoded_at_the_same_time(
    dataset: CachedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(3)

    def meet(_row: ImageRecord) -> None:
        together.wait(60)

    replace_decoder(monkeypatch, meet)
    with open_reader(dataset, 3) as reader:
        assert [len(batch.positions) for batch in reader.read(BATCHES[:2])] == [3, 3]


def test_the_pace_can_change_at_any_time(dataset: CachedDataset) -> None:
    rounds = [[position] for position in range(9)] * 3
    paces = iter(PACES * 4)
    with open_reader(dataset, 1) as reader:
        found = []
        for batch in reader.read(rounds):
            found.append(batch)
            reader.set_pace(*next(paces))
    assert [batch.positions for batch in found] == rounds
    assert all(torch.equal(batch.images[0], dataset.expect(batch.positions[0])) for batch in found)
    assert reading_threads() == []


def test_an_abandoned_iteration_ends_its_threads(dataset: CachedDataset) -> None:
    reader = open_reader(dataset, 2, lookahead=2)
    batches = reader.read(BATCHES)
    next(batches)
    assert reading_threads()
    del batches
    assert reading_threads() == []


def test_a_closed_reader_has_no_threads_and_reads_no_more(dataset: CachedDataset) -> None:
    reader = open_reader(dataset, 2, lookahead=1)
    batches = reader.read(BATCHES)
    next(batches)
    reader.close()
    assert reading_threads() == []
    with pytest.raises(RuntimeError, match="closed"):
        next(batches)
    reader.close()


def test_a_fault_of_the_program_is_not_taken_for_a_bad_image(
    dataset: CachedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_row: ImageRecord) -> None:
        raise KeyError("a mistake")

    replace_decoder(monkeypatch, fail)
    with open_reader(dataset, 2) as reader, pytest.raises(KeyError, match="a mistake"):
        next(reader.read(BATCHES))
    assert reading_threads() == []


def test_the_figures_say_what_was_read_and_waited_for(dataset: CachedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_decoder(monkeypatch, lambda _row: compute(0.02))
    with dataset.open() as cache:
        with BatchReader(dataset.rows, dataset.images_dir, PLAN, cache, num_threads=2) as reader:
            assert len(list(reader.read([*BATCHES, [0, 1]]))) == 5
            statistics = reader.statistics
    assert (statistics.num_decoded, statistics.num_cached) == (9, 2)
    assert statistics.decoded_megapixels == pytest.approx(sum(row.width * row.height for row in dataset.rows) / 1e6)
    assert statistics.decode_cpu_s >= 9 * 0.02
    # Two at a time: two turns, two, one and one. While this thread itself has to wait for a core, it counts nothing.
    assert statistics.waited_s >= 2 * 0.02
    assert 0 < statistics.cached_cpu_s < statistics.waited_s


def compute(seconds: float) -> None:
    """Keep a core busy."""
    end_s = time.thread_time() + seconds
    while time.thread_time() < end_s:
        pass


def test_reading_costs_what_was_waited_for_and_at_least_its_part_of_shared_cores() -> None:
    statistics = ReadStatistics(decode_cpu_s=4.0, cached_cpu_s=9.0, waited_s=1.0)
    assert statistics.added_s(None) == 1.0
    assert statistics.added_s(2) == 2.0
    assert statistics.added_s(8) == 1.0
