"""Decoded images of a dataset, kept as uint8 at the size of a model and shared by jobs, splits and processes.

Only pixels that `reading.read_pixels` gives are kept, and targets of the same size that a task encodes: no
augmentation, no normalisation, no order of images. A row is used by other processes only after it is on the disk, and
its checksum is compared when it is first used, so neither a kill nor a power cut gives wrong pixels. A row whose image
file has changed since is not used.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import mmap
import threading
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.datasets.cache_files import (
    PIXEL_CHANNELS,
    Demand,
    EntryFiles,
    Held,
    KeptTarget,
    describe_entry,
    flush_to_disk,
    locate_entry,
    make_room,
    measure_free,
    prepare_entry,
    remove_leftovers,
    reserve_of,
)
from app.datasets.pixels.colours import Array
from app.datasets.reading import ImageReadError, ResizePlan
from app.datasets.table import DatasetTable, ImageRecord
from app.schemas.payloads import DatasetLocation

SYNC_ROWS = 256
SYNC_INTERVAL_S = 5.0
_PRESENT, _UNREADABLE = 1, 2
_STAMP_MASK = 2**30 - 1

Mask = NDArray[np.bool_]

_logger = logging.getLogger(__name__)


class CacheRefusal(NamedTuple):
    """Why there is no cache: a sentence for people, and the figures in bytes."""

    reason: str
    needed_bytes: int
    budget_bytes: int
    is_turned_off: bool = False
    """Whether someone has turned the cache off."""


def open_sample_cache(
    location: DatasetLocation,
    table: DatasetTable,
    plan: ResizePlan,
    rows: Sequence[ImageRecord] | None = None,
    beside: Sequence[SampleCache] = (),
    target: KeptTarget | None = None,
) -> SampleCache | CacheRefusal:
    """Open the cache of a dataset for a plan; `rows` are the images that will be read, all of them by default.

    With `target` it keeps a task's targets of the images, which lie beside the pixels in an entry of their own.
    Other entries give way when the budget or the disk asks for it, but not those `beside` it that the same job has
    open. When the rows still do not fit, the refusal says why and images are to be read from their files.
    """
    budget_bytes = location.cache_budget_bytes
    shape = (*plan.input_size, PIXEL_CHANNELS if target is None else target.channels)
    row_bytes = math.prod(shape)
    needed = len(table.images if rows is None else rows) * row_bytes
    if not location.cache_dir or budget_bytes == 0 or not table.images:
        return CacheRefusal("The cache of decoded images is turned off.", needed, budget_bytes, is_turned_off=True)
    description = describe_entry(table, plan, target)
    entry = locate_entry(Path(location.cache_dir), description)
    indices = {name: index for index, name in enumerate(sorted(image.filename for image in table.images))}
    wanted = None if rows is None else [indices[row.filename] for row in rows if row.filename in indices]
    try:
        remove_leftovers(entry)
        prepare_entry(entry, description)
        demand, held = _measure_demand(entry, wanted, row_bytes), [cache.held for cache in beside]
        if reason := make_room(entry, demand, budget_bytes, held):
            return CacheRefusal(f"{reason} Images are read from their files each time.", needed, budget_bytes)
        prepare_entry(entry, description)
        demand = _measure_demand(entry, wanted, row_bytes)
        return SampleCache(entry, indices, shape, demand)
    except OSError as error:
        reason = (
            f"Decoded images cannot be kept: {error.strerror or error}. Images are read from their files each time."
        )
        return CacheRefusal(reason, needed, budget_bytes)


class SampleCache:
    """The rows of one entry; safe to be used by several threads and, with others of its kind, by several processes.

    When something cannot be written, keeping rows stops, `note` says why, and what is there stays in use.
    """

    def __init__(self, entry: EntryFiles, indices: dict[str, int], shape: tuple[int, int, int], demand: Demand) -> None:
        """Open a prepared entry; raises OSError. `indices` is the row of each file name, `shape` that of a row,
        `demand` what room was made for."""
        self.held = Held(entry, demand.needed + demand.kept, demand.added)
        self._entry, self._indices, self._shape = entry, indices, shape
        self._row_bytes = int(np.prod(self._shape))
        self._note = ""
        self._mutex, self._read_lock, self._sync_lock = threading.Lock(), threading.Lock(), threading.Lock()
        self._pending: dict[int, int] = {}
        self._messages = _read_problems(entry.problems)
        self._verified = np.zeros(len(indices), np.uint64)
        self._syncer: ThreadPoolExecutor | None = None
        self._syncing: Future[None] | None = None
        self._synced_s = time.monotonic()
        with contextlib.ExitStack() as files:
            self._writer = files.enter_context(entry.pixels.open("r+b", buffering=0))
            self._reader = files.enter_context(entry.pixels.open("rb", buffering=0))
            self._state_writer = files.enter_context(entry.states.open("r+b", buffering=0))
            self._states = _map_states(entry.states)
            self._files = files.pop_all()
        self._is_closing = self._is_closed = False
        self.mark_used()

    def __enter__(self) -> SampleCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of a row."""
        return self._shape

    @property
    def note(self) -> str:
        """Why rows are no longer kept; empty as long as they are."""
        return self._note

    def num_present(self, rows: Sequence[ImageRecord]) -> int:
        """Return how many of these images need no decoding, unless their files have changed."""
        return self.count_present(self.find_rows(rows))

    def find_rows(self, rows: Sequence[ImageRecord]) -> Mask:
        """Return which rows of the entry hold these images, for `count_present`; walks all of them."""
        mask = np.zeros(len(self._indices), bool)
        mask[[self._indices[row.filename] for row in rows if row.filename in self._indices]] = True
        return mask

    def count_present(self, mask: Mask) -> int:
        """Return how many of these rows need no decoding; costs little, however many they are."""
        with self._mutex:
            pending = sum(bool(mask[index]) for index in self._pending)  # not among the states yet
            return pending + int(np.count_nonzero(self._states[mask]))

    def count_missing(self, rows: Sequence[ImageRecord]) -> int:
        """Return how many of these images are still to be decoded."""
        return len(rows) - self.num_present(rows)

    def load(self, row: ImageRecord, path: Path, out: Array) -> bool:
        """Copy the row of an image into `out`, of the row's shape, and return True; return False without a sound row.

        Raises ImageReadError for an image that is known to be unreadable. `path` is the image's file.
        """
        index = self._indices.get(row.filename, -1)
        value = self._state_of(index)
        if not value:
            return False
        is_verified = value == int(self._verified[index])
        if not is_verified and _stamp_of(value) != stamp_file(path):
            return False
        if value & 3 == _UNREADABLE:
            return self._raise_problem(index)
        if not self._read_row(index, out) or (not is_verified and _checksum(out) != value >> 32):
            return False
        if self._state_of(index) != value:
            return False  # Another process replaced the row while it was copied.
        self._verified[index] = value
        return True

    def store(self, row: ImageRecord, stamp: int, pixels: Array) -> None:
        """Keep the pixels of an image, or its target; `stamp` is that of its file before it was decoded."""
        if pixels.shape != self._shape or pixels.dtype != np.uint8:
            msg = f"The cache holds uint8 rows of shape {self._shape}, not {pixels.dtype} {pixels.shape}."
            raise ValueError(msg)
        content = np.ascontiguousarray(pixels)
        self._put(row, _pack(_PRESENT, stamp, _checksum(content)), content)

    def store_problem(self, row: ImageRecord, stamp: int, message: str) -> None:
        """Remember that an image cannot be decoded, and why; not for what may pass, such as a missing file."""
        index = self._indices.get(row.filename, -1)
        if stamp and index >= 0 and not self._note:
            line = json.dumps({"row": index, "message": message}) + "\n"
            try:
                with self._entry.problems.open("ab", buffering=0) as file:
                    file.write(line.encode())
            except OSError as error:
                self._stop(error.strerror or str(error))
                return
            self._messages[index] = message
            self._put(row, _pack(_UNREADABLE, stamp, 0), None)

    def mark_used(self) -> None:
        """Note that the entry is in use, so that others give way before it."""
        self._entry.touch()

    def sync(self) -> None:
        """Put what was stored on the disk, so that other processes and later jobs use it."""
        with self._sync_lock:
            with self._mutex:
                batch = {} if self._is_closed else dict(self._pending)
            if not batch:
                return
            try:
                flush_to_disk(self._writer.fileno())
                self._publish(batch)
                if measure_free(self._entry.folder) < reserve_of(self._entry.folder):
                    self._stop("the disk is nearly full")
            except OSError as error:
                with self._mutex:
                    self._pending.clear()  # Nobody knows which of these rows the disk has.
                self._stop(error.strerror or str(error))

    def close(self) -> None:
        """Sync, end the thread that syncs, and close the files. Safe to be called twice."""
        with self._mutex:
            self._is_closing = True
            syncer, self._syncer = self._syncer, None
        if syncer is not None:
            syncer.shutdown(wait=True)
        self.sync()
        with self._mutex, self._read_lock:
            self._is_closed = True
            self._pending.clear()
            self._states = np.zeros(len(self._indices), np.uint64)
            self._files.close()
        self.mark_used()

    def _state_of(self, index: int) -> int:
        if index < 0:
            return 0
        return self._pending.get(index, 0) or int(self._states[index])

    def _read_row(self, index: int, out: Array) -> bool:
        # Read by position, not mapped: faster (one call per row, no page faults), no page of the file ever counts as
        # memory of this process, and a disk that fails is an OSError instead of the end of the process.
        try:
            with self._read_lock:
                self._reader.seek(index * self._row_bytes)
                return self._reader.readinto(out.reshape(-1).data) == self._row_bytes
        except (OSError, ValueError):  # ValueError: closed by another thread
            return False

    def _raise_problem(self, index: int) -> bool:
        if index not in self._messages:
            self._messages |= _read_problems(self._entry.problems)
        if index not in self._messages:
            return False
        raise ImageReadError(self._messages[index])

    def _put(self, row: ImageRecord, value: int, content: Array | None) -> None:
        index = self._indices.get(row.filename, -1)
        if index < 0:
            return
        with self._mutex:
            if self._note or self._is_closing:
                return
            try:
                if self._states[index]:
                    self._write_state(index, 0)  # Nobody may take the old state for that of the new pixels.
                self._pending.pop(index, None)
                if content is not None:
                    self._write_row(index, content)
            except OSError as error:
                self._stop(error.strerror or str(error))
                return
            self._pending[index] = value
            self._sync_if_due()

    def _write_row(self, index: int, content: Array) -> None:
        self._writer.seek(index * self._row_bytes)
        rest = memoryview(content.reshape(-1).data)
        while rest:
            rest = rest[self._writer.write(rest) :]

    def _write_state(self, index: int, value: int) -> None:
        self._state_writer.seek(index * 8)
        self._state_writer.write(value.to_bytes(8, "little"))

    def _publish(self, batch: dict[int, int]) -> None:
        for index, value in batch.items():
            with self._mutex:
                if self._pending.get(index) == value:
                    self._write_state(index, value)
                    del self._pending[index]

    def _sync_if_due(self) -> None:
        """Start a sync in the background; called with the mutex held."""
        now = time.monotonic()
        if len(self._pending) < SYNC_ROWS and now - self._synced_s < SYNC_INTERVAL_S:
            return
        if self._syncing is None or self._syncing.done():
            self._syncer = self._syncer or ThreadPoolExecutor(1, thread_name_prefix="sync")
            self._synced_s, self._syncing = now, self._syncer.submit(self.sync)

    def _stop(self, reason: str) -> None:
        if not self._note:
            self._note = (
                f"Decoded images are no longer kept: {reason}. Those that are not in the cache are read from their "
                "files each time."
            )
            _logger.warning(self._note)


def stamp_file(path: Path) -> int:
    """Return a number that changes with the file: 30 bits of its size and modification time; 0 without a file."""
    try:
        status = path.stat()
    except OSError:
        return 0
    mixed = zlib.crc32(f"{status.st_size} {status.st_mtime_ns}".encode())
    return mixed % _STAMP_MASK + 1


def _measure_demand(entry: EntryFiles, wanted: list[int] | None, row_bytes: int) -> Demand:
    is_present = np.fromfile(entry.states, dtype="<u8") != 0
    if wanted is None:
        is_wanted = np.ones(len(is_present), bool)
    else:
        is_wanted = np.zeros(len(is_present), bool)
        is_wanted[wanted] = True
    counts = (is_wanted.sum(), (is_wanted & ~is_present).sum(), (is_present & ~is_wanted).sum())
    return Demand(*(int(count) * row_bytes for count in counts))


def _pack(state: int, stamp: int, checksum: int) -> int:
    return checksum << 32 | stamp << 2 | state


def _stamp_of(value: int) -> int:
    return value >> 2 & _STAMP_MASK


def _checksum(content: Array) -> int:
    return zlib.crc32(content.reshape(-1).data)


def _map_states(path: Path) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Return the states as they are on the disk at any time; what other processes write is seen at once."""
    with path.open("rb") as file:
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype="<u8")


def _read_problems(path: Path) -> dict[int, str]:
    messages: dict[int, str] = {}
    with contextlib.suppress(OSError):
        for line in path.read_bytes().splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                fields = json.loads(line)
                messages[int(fields["row"])] = str(fields["message"])
    return messages
