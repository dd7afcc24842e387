"""Reads batches of images, from the cache where they are there and else from their files, in threads.

Threads and not processes: Pillow and numpy leave the interpreter to others while they work, and nothing has to be
copied between processes. What a batch holds depends on its positions alone, never on the pace. Targets and
augmentation do not belong here.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from app.datasets.pixels.colours import Array
from app.datasets.reading import ImageReadError, ResizePlan, locate_image, read_pixels
from app.datasets.sample_cache import SampleCache, stamp_file
from app.datasets.table import ImageRecord, describe_name, source_name_of

# What Pillow's decoders say when they get no memory.
_PILLOW_MEMORY = "out of memory error"
_DECODING_BYTES = 8


class UnreadableImage(NamedTuple):
    """An image that could not be read, by its place in the list of records, and why."""

    position: int
    filename: str
    source_name: str
    message: str


class ReadBatch(NamedTuple):
    """Images uint8 (n, 3, height, width), channels last in memory, their positions, and those that are missing."""

    images: Tensor
    positions: list[int]
    skipped: list[UnreadableImage]


@dataclass
class ReadStatistics:
    """What a reader did so far.

    Decoding and copying are seconds of computing, summed over threads; waiting is the time of the consumer.
    """

    num_decoded: int = 0
    decoded_megapixels: float = 0.0
    decode_cpu_s: float = 0.0
    num_cached: int = 0
    cached_cpu_s: float = 0.0
    waited_s: float = 0.0

    def added_s(self, shared_cores: int | None) -> float:
        """Return the seconds that decoding added to what was computed meanwhile.

        That is what was waited for. On the cores that compute as well it is at least what decoding took of them, even
        when every image was there in time; `shared_cores` is None where something else computes.
        """
        if shared_cores is None:
            return self.waited_s
        return max(self.waited_s, self.decode_cpu_s / shared_cores)


class _Obtained(NamedTuple):
    """How one image was obtained; `message` says why not."""

    is_decoded: bool
    cpu_s: float
    message: str = ""


class BatchReader:
    """Batches of a list of records. One consumer iterates; threads live as long as an iteration."""

    def __init__(
        self,
        rows: Sequence[ImageRecord],
        images_dir: Path,
        plan: ResizePlan,
        cache: SampleCache | None = None,
        *,
        num_threads: int,
        lookahead: int = 0,
        pin_memory: bool = False,
    ) -> None:
        """Read `lookahead` batches while one is worked on; with 0 threads everything happens in the caller's."""
        self._rows, self._images_dir, self._plan, self._cache = rows, images_dir, plan, cache
        self._num_threads, self._lookahead, self._pin_memory = num_threads, lookahead, pin_memory
        self._statistics, self._mutex = ReadStatistics(), threading.Lock()
        self._problems: dict[int, str] = {}
        self._crews: set[_Crew] = set()
        self._is_closed = False

    def __enter__(self) -> BatchReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def statistics(self) -> ReadStatistics:
        """A copy of the figures up to now."""
        with self._mutex:
            return replace(self._statistics)

    def set_pace(self, num_threads: int, lookahead: int, pin_memory: bool | None = None) -> None:
        """Work at another pace from the next batch on that is begun; also while iterating."""
        self._num_threads, self._lookahead = num_threads, lookahead
        if pin_memory is not None:
            self._pin_memory = pin_memory

    def read(self, batches: Iterable[Sequence[int]]) -> Iterator[ReadBatch]:
        """Yield the images of each batch of positions, in order; unreadable ones are left out and named.

        Up to `lookahead` batches more than were yielded are taken from the iterable. Ending the iteration early ends
        the threads.
        """
        waiting: deque[_Pending] = deque()
        source = iter(batches)
        if self._cache is not None:
            self._cache.mark_used()
        with self._hire() as crew:
            while True:
                started_s = time.perf_counter()
                self._begin(source, waiting, crew)
                if not waiting:
                    return
                batch = waiting.popleft().finish()
                with self._mutex:
                    self._statistics.waited_s += time.perf_counter() - started_s
                yield batch

    def close(self) -> None:
        """End the threads of every iteration; reading on after that raises RuntimeError. Safe to be called twice."""
        self._is_closed = True
        for crew in list(self._crews):
            crew.dismiss()

    @contextlib.contextmanager
    def _hire(self) -> Iterator[_Crew]:
        crew = _Crew()
        self._crews.add(crew)
        try:
            yield crew
        finally:
            self._crews.discard(crew)
            crew.dismiss()

    def _begin(self, source: Iterator[Sequence[int]], waiting: deque[_Pending], crew: _Crew) -> None:
        if self._is_closed:
            msg = "The reader is closed."
            raise RuntimeError(msg)
        ahead = self._lookahead if self._num_threads else 0
        while len(waiting) <= ahead:
            positions = next(source, None)
            if positions is None:
                return
            waiting.append(_Pending(self, crew.staff(self._num_threads), positions, is_ahead=ahead > 0))

    def _obtain(self, position: int, out: Array) -> _Obtained:
        """Decode an image into `out`, and keep it."""
        row, started_s = self._rows[position], time.thread_time()
        stamp = stamp_file(locate_image(row, self._images_dir)) if self._cache is not None else 0
        try:
            pixels = self._decode(row)
        except (ImageReadError, ValueError) as error:
            message = str(error)
            if _is_lasting(error):
                self._problems[position] = message
                if self._cache is not None:
                    self._cache.store_problem(row, stamp, message)
            return _Obtained(True, time.thread_time() - started_s, message)
        out[...] = pixels
        if self._cache is not None:
            self._cache.store(row, stamp, pixels)
        return _Obtained(True, time.thread_time() - started_s)

    def _decode(self, row: ImageRecord) -> Array:
        """Return the pixels of an image, tried twice when memory was short.

        Raises MemoryError when it still is: the image is no worse than others and must not be left out. One that finds
        no memory although there is enough for its pixels asks for more than it shows, so it is damaged.
        """
        try:
            return read_pixels(row, self._images_dir, self._plan)
        except ImageReadError as error:
            if not _lacks_memory(error):
                raise
        try:
            return read_pixels(row, self._images_dir, self._plan)
        except ImageReadError as error:
            if _lacks_memory(error) and not _has_room(row):
                msg = f"There is not enough memory to decode {describe_name(row)}."
                raise MemoryError(msg) from error
            raise

    def _load(self, position: int, out: Array) -> _Obtained | None:
        """Copy an image from the cache into `out`; None when it has to be decoded."""
        if position in self._problems:
            return _Obtained(False, 0.0, self._problems[position])
        if self._cache is None:
            return None
        row, started_s = self._rows[position], time.thread_time()
        try:
            if not self._cache.load(row, locate_image(row, self._images_dir), out):
                return None
        except ImageReadError as error:
            self._problems[position] = str(error)
            return _Obtained(False, 0.0, str(error))
        return _Obtained(False, time.thread_time() - started_s)

    def _count(self, position: int, obtained: _Obtained) -> None:
        if obtained.message:
            return
        row, statistics = self._rows[position], self._statistics
        with self._mutex:
            if obtained.is_decoded:
                statistics.num_decoded += 1
                statistics.decoded_megapixels += row.width * row.height / 1e6
                statistics.decode_cpu_s += obtained.cpu_s
            else:
                statistics.num_cached += 1
                statistics.cached_cpu_s += obtained.cpu_s


class _Crew:
    """The threads of one iteration; none until they are needed."""

    def __init__(self) -> None:
        self._executors: dict[int, ThreadPoolExecutor] = {}

    def staff(self, num_threads: int) -> ThreadPoolExecutor | None:
        """Return so many threads, None for 0; those of another pace finish what they have begun."""
        if num_threads and num_threads not in self._executors:
            self._executors[num_threads] = ThreadPoolExecutor(num_threads, thread_name_prefix="read")
        return self._executors.get(num_threads)

    def dismiss(self) -> None:
        """Give up what was not begun and wait for the threads to end."""
        for executor in self._executors.values():
            executor.shutdown(wait=True, cancel_futures=True)


class _Pending:
    """A batch that is being read: first what the cache has, then the rest in parallel."""

    def __init__(
        self, reader: BatchReader, executor: ThreadPoolExecutor | None, positions: Sequence[int], is_ahead: bool
    ) -> None:
        height, width = reader._plan.input_size
        self._reader, self._positions = reader, [int(position) for position in positions]
        self._executor = executor
        shape = (len(self._positions), height, width, 3)
        self._images = torch.empty(
            shape, dtype=torch.uint8, pin_memory=reader._pin_memory and torch.cuda.is_available()
        )
        self._pixels: Array = self._images.numpy()
        self._obtained: list[_Obtained | None] = [None] * len(self._positions)
        self._decoding: dict[int, Future[_Obtained]] = {}
        self._loading = self._executor.submit(self._load) if is_ahead and self._executor is not None else None
        if self._loading is None:
            self._load()

    def finish(self) -> ReadBatch:
        """Return the batch as soon as it is complete."""
        if self._loading is not None:
            self._loading.result()
        found = [self._result_of(place) for place in range(len(self._positions))]
        for position, obtained in zip(self._positions, found, strict=True):
            self._reader._count(position, obtained)
        kept = [place for place, obtained in enumerate(found) if not obtained.message]
        images = self._images if len(kept) == len(found) else self._images[kept]
        skipped = [
            _describe_skipped(position, self._reader._rows[position], obtained.message)
            for position, obtained in zip(self._positions, found, strict=True)
            if obtained.message
        ]
        return ReadBatch(images.permute(0, 3, 1, 2), [self._positions[place] for place in kept], skipped)

    def _load(self) -> None:
        for place, position in enumerate(self._positions):
            self._obtained[place] = self._reader._load(position, self._pixels[place])
            if self._obtained[place] is None and self._executor is not None:
                self._decoding[place] = self._executor.submit(self._reader._obtain, position, self._pixels[place])

    def _result_of(self, place: int) -> _Obtained:
        known = self._obtained[place]
        if known is not None:
            return known
        if place in self._decoding:
            return self._decoding[place].result()
        return self._reader._obtain(self._positions[place], self._pixels[place])


def _describe_skipped(position: int, row: ImageRecord, message: str) -> UnreadableImage:
    return UnreadableImage(position, row.filename, source_name_of(row), message)


def _is_lasting(error: BaseException) -> bool:
    """Return whether an image will be unreadable next time too: not when memory, a disk or a right was missing."""
    is_of_system = any(isinstance(each, OSError) and each.errno is not None for each in _list_causes(error))
    return not is_of_system and not _lacks_memory(error)


def _lacks_memory(error: BaseException) -> bool:
    return any(
        isinstance(each, MemoryError) or (isinstance(each, OSError) and _PILLOW_MEMORY in str(each))
        for each in _list_causes(error)
    )


def _has_room(row: ImageRecord) -> bool:
    """Return whether memory for the pixels of an image can be had: as they are decoded, and once more as RGB."""
    try:
        np.empty(row.width * row.height * _DECODING_BYTES, np.uint8)
    except MemoryError:
        return False
    return True


def _list_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
