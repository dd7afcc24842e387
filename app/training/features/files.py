"""Features on the disk: the rows of one subset in one view, whole batches at a time, shared by runs.

An entry is a folder with `rows.f32` and `progress.json`. The progress is written only after the rows that it counts
are on the disk, so neither a kill nor a power cut leaves wrong features. Two processes that write the same entry
write the same bytes to the same places. What features are and when they are right belongs in `extraction.py`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from app.durable import make_directory, write_bytes_durably
from app.schemas.job_context import JobFailure
from app.throttle import Throttle

SYNC_INTERVAL_S = 5.0
BLOCK_IMAGES = 32
FLOAT_BYTES = 4
_ROWS, _PROGRESS, _USED = "rows.f32", "progress.json", "used"
_BEING_WRITTEN_S = 600.0

Array = np.ndarray[Any, np.dtype[np.float32]]


class FeatureEntry:
    """Features of `num_rows` images, float32, in the order of their positions; some may be missing still.

    Rows are read by position and not mapped: memory does not grow with the number of images, and a disk that fails
    is an error and not the end of the process.
    """

    def __init__(self, folder: Path, description: Mapping[str, Any], num_rows: int) -> None:
        """Open what is there of this description and drop anything else; nothing is created before rows are written."""
        self._folder, self._description, self._num_rows = folder, dict(description), num_rows
        self._shape: tuple[int, ...] | None = None
        self._row_bytes = 0
        self._num_done = 0
        self._unreadable: set[int] = set()
        self._writer: Any = None
        self._reader: Any = None
        self._throttle = Throttle(SYNC_INTERVAL_S)
        self._throttle.restart()
        self._read_progress()

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Shape of the features of one image; None as long as none was written."""
        return self._shape

    @property
    def unreadable(self) -> frozenset[int]:
        """Positions of images that could not be read when their turn came."""
        return frozenset(self._unreadable)

    @property
    def num_bytes(self) -> int:
        """What all rows take."""
        return self._num_rows * self._row_bytes

    def list_missing_blocks(self) -> list[list[int]]:
        """Return the positions without features, in blocks that never depend on where an earlier process ended.

        Images that could not be read are tried again.
        """
        starts = range(0, self._num_rows, BLOCK_IMAGES)
        blocks = [range(start, min(start + BLOCK_IMAGES, self._num_rows)) for start in starts]
        missing = [
            [position for position in block if position >= self._num_done or position in self._unreadable]
            for block in blocks
        ]
        return [block for block in missing if block]

    def write(self, block: Sequence[int], positions: Sequence[int], features: Array) -> None:
        """Keep the features (len(positions), ...) of those images of a block that could be read.

        Blocks come in the order of `list_missing_blocks`. Raises JobFailure when the disk is full.
        """
        with self._plain_failures():
            if len(positions):
                self._set_shape(features.shape[1:])
                self._write_rows(positions, np.ascontiguousarray(features, dtype=np.float32))
            self._unreadable |= set(block)
            self._unreadable -= set(positions)
            self._num_done = max(self._num_done, block[-1] + 1)
        if self._throttle.is_due():
            self.sync()

    def sync(self) -> None:
        """Put what was written on the disk and count it. Raises JobFailure when the disk is full."""
        if self._num_done == 0:
            return
        progress = {
            "description": self._description,
            "num_rows": self._num_rows,
            "shape": self._shape,
            "num_done": self._num_done,
            "unreadable": sorted(self._unreadable),
        }
        with self._plain_failures():
            self._make_folder()
            if self._writer is not None:
                self._check_place(self._writer.fileno())
                os.fsync(self._writer.fileno())
            write_bytes_durably(self._folder / _PROGRESS, json.dumps(progress).encode())
            self.touch()

    def read(self, positions: Sequence[int], out: Array) -> None:
        """Copy the rows of these positions into `out` (len(positions), ...), contiguous float32.

        Raises JobFailure when they cannot be read, e.g. because the entry was deleted.
        """
        rows = out.reshape(len(positions), -1).view(np.uint8)
        try:
            if self._reader is None:
                self._reader = (self._folder / _ROWS).open("rb", buffering=0)
            for position, row in zip(positions, rows, strict=True):
                self._reader.seek(position * self._row_bytes)
                if self._reader.readinto(row.data) != self._row_bytes:
                    raise OSError(errno.EIO, "the file of features is too short")
        except OSError as error:
            msg = f"Features cannot be read: {error.strerror or error}. Resume the run; they are computed again."
            raise JobFailure(msg, "FeaturesNotReadable") from error

    def touch(self) -> None:
        """Note that the entry is in use."""
        with contextlib.suppress(OSError):
            (self._folder / _USED).touch()

    def close(self) -> None:
        """Close the files. Safe to be called twice."""
        for file in (self._writer, self._reader):
            if file is not None:
                file.close()
        self._writer = self._reader = None

    def _read_progress(self) -> None:
        try:
            progress = json.loads((self._folder / _PROGRESS).read_bytes())
            is_ours = (progress["description"], progress["num_rows"]) == (self._description, self._num_rows)
            shape = None if progress["shape"] is None else tuple(map(int, progress["shape"]))
            num_done, unreadable = int(progress["num_done"]), set(map(int, progress["unreadable"]))
            row_bytes = _measure_row(shape)
            if is_ours and (shape is None or (self._folder / _ROWS).stat().st_size >= num_done * row_bytes):
                self._shape, self._row_bytes = shape, row_bytes
                self._num_done, self._unreadable = num_done, unreadable
        except (OSError, ValueError, KeyError, TypeError):
            return

    def _set_shape(self, shape: tuple[int, ...]) -> None:
        if self._shape is None:
            self._shape, self._row_bytes = tuple(shape), _measure_row(shape)
        if self._shape != tuple(shape):
            msg = f"Features of shape {tuple(shape)} do not belong to those of shape {self._shape}."
            raise ValueError(msg)
        if self._writer is None:
            self._make_folder()
            # Opened for reading and writing, created when missing, never cut: another process may be writing it.
            descriptor = os.open(self._folder / _ROWS, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
            self._writer = os.fdopen(descriptor, "r+b", buffering=0)
            if os.fstat(descriptor).st_size < self.num_bytes:
                self._writer.truncate(self.num_bytes)

    def _make_folder(self) -> None:
        if not self._folder.parents[2].is_dir():
            # The folder of a dataset that was removed meanwhile must not come back.
            raise FileNotFoundError(errno.ENOENT, "the folder of the dataset or run is gone")
        make_directory(self._folder)

    def _check_place(self, descriptor: int) -> None:
        """Raise OSError when the file was deleted and perhaps begun anew: its rows must not be counted as there."""
        here, there = os.fstat(descriptor), (self._folder / _ROWS).stat()
        if (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino):
            raise FileNotFoundError(errno.ENOENT, "their file was deleted meanwhile")

    def _write_rows(self, positions: Sequence[int], features: Array) -> None:
        content = features.reshape(len(positions), -1).view(np.uint8)
        cuts = [number for number, (one, other) in enumerate(pairwise(positions), start=1) if other != one + 1]
        for start, stop in pairwise([0, *cuts, len(positions)]):
            self._writer.seek(positions[start] * self._row_bytes)
            rest = memoryview(content[start:stop].reshape(-1).data)
            while rest:
                rest = rest[self._writer.write(rest) :]

    @contextlib.contextmanager
    def _plain_failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno == errno.ENOSPC:
                msg = "The disk is full: features could not be kept. Free up disk space."
                raise JobFailure(msg, "DiskFull") from error
            msg = f"Features could not be kept: {error.strerror or error}."
            raise JobFailure(msg, "FeaturesNotKept") from error


def _measure_row(shape: Sequence[int] | None) -> int:
    return 0 if shape is None else FLOAT_BYTES * int(np.prod(shape))


def locate_entry(folder: Path, description: Mapping[str, Any]) -> Path:
    """Return where the entry of a description lies or will lie."""
    digest = blake2b(json.dumps(description, sort_keys=True).encode(), digest_size=16)
    return folder / digest.hexdigest()


def evict_entries(
    folder: Path, kept: Sequence[Path], budget_bytes: int, clock: Callable[[], float] = time.time
) -> list[Path]:
    """Remove the entries used longest ago, but none of `kept`, until a folder fits its budget; return which went.

    Unfinished entries that were written to in the last minutes stay: their writer is likely to be alive.
    """
    if not folder.is_dir():
        return []
    entries = [path for path in folder.iterdir() if path.is_dir()]
    sizes = {path: sum(file.stat().st_size for file in path.iterdir()) for path in entries}
    removed: list[Path] = []
    for path in sorted((path for path in entries if path not in kept), key=_last_use_s):
        if sum(sizes.values()) <= budget_bytes:
            break
        if clock() - _last_use_s(path) < _BEING_WRITTEN_S and not _is_finished(path):
            continue
        shutil.rmtree(path, ignore_errors=True)
        removed.append(path)
        del sizes[path]
    return removed


def _last_use_s(path: Path) -> float:
    used = path / _USED
    return used.stat().st_mtime if used.exists() else path.stat().st_mtime


def _is_finished(path: Path) -> bool:
    try:
        progress = json.loads((path / _PROGRESS).read_bytes())
        return bool(progress["num_done"] == progress["num_rows"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
