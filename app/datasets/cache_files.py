"""The files of the sample cache: an entry's name and layout, whether it is sound, and which entry has to go.

An entry is a folder `samples/<key>/` of a dataset's cache directory. What is in its rows belongs in
`sample_cache.py`; nothing here decodes an image, and nothing needs torch.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import PIL
from PIL import features

from app.datasets.table import DatasetTable, ImageRecord, hash_content
from app.durable import sync_directory, write_bytes_durably
from app.schemas.pixels import LEGACY

if TYPE_CHECKING:
    from app.datasets.reading import ResizePlan  # needs torch, which the web process has not

PIXELS_VERSION = 3
"""Counts the changes of `images.read_rgb` and `images.resize_image` that change a pixel of the same `PixelReading`."""

STATE_BYTES = 8
PIXEL_CHANNELS = 3
MIN_FREE_BYTES = 2**30
MIN_FREE_SHARE = 0.05
_FOLDER = "samples"
_PIXELS, _STATES, _META, _USED, _PROBLEMS = "pixels.u8", "states.u64", "meta.json", "used", "unreadable.jsonl"
_LEFTOVER_S = 3600.0
_GIB = 2**30


class EntryFiles(NamedTuple):
    """The files of one entry."""

    folder: Path

    @property
    def pixels(self) -> Path:
        """One row per image of the dataset, (height, width, 3) uint8 for pixels and the channels of a target for those;
        rows that were never written take no space."""
        return self.folder / _PIXELS

    @property
    def states(self) -> Path:
        """Eight bytes per image: what its row holds."""
        return self.folder / _STATES

    @property
    def problems(self) -> Path:
        """A line of JSON per image that cannot be decoded."""
        return self.folder / _PROBLEMS

    @property
    def meta(self) -> Path:
        """What the key is made of, for people and against mistakes."""
        return self.folder / _META

    def touch(self) -> None:
        """Note that the entry is in use."""
        with contextlib.suppress(OSError):
            (self.folder / _USED).touch()


class Demand(NamedTuple):
    """What a job wants of an entry, in bytes."""

    needed: int
    """The rows that the job reads."""
    added: int
    """Those of them that are not there yet."""
    kept: int
    """Rows that are there and that the job does not read."""


class Held(NamedTuple):
    """An entry that a job has open and goes on to fill: it must not give way to another one of the same job."""

    entry: EntryFiles
    promised: int
    """The bytes that it takes in the end."""
    added: int
    """Those of them that were not there when it was opened."""


class KeptTarget(NamedTuple):
    """What an entry holds instead of pixels: targets of this task, uint8 (height, width, channels) of the input's size.

    `version` counts the changes of how the task encodes them.
    """

    task: str
    classes: tuple[str, ...]
    channels: int
    version: int = 1


def describe_entry(table: DatasetTable, plan: ResizePlan, target: KeptTarget | None = None) -> dict[str, Any]:
    """Return everything that the rows of an entry depend on: pixels, or targets of a task."""
    # Entries of datasets from before there was a choice keep their names.
    read = {} if plan.pixels == LEGACY else {"pixels": plan.pixels.model_dump()}
    kept = {} if target is None else {"target": target._asdict() | {"classes": list(target.classes)}}
    return (
        read
        | kept
        | {
            "dataset": table.content_hash or hash_content(table.images),
            "num_images": len(table.images),
            "input_size": list(plan.input_size),
            "resize": plan.recipe.model_dump(),
            "pixels_version": PIXELS_VERSION,
            "decoder": f"Pillow {PIL.__version__}, libjpeg {features.version('jpg')}",
        }
    )


def locate_entry(cache_dir: Path, description: dict[str, Any]) -> EntryFiles:
    """Return where the entry of a description lies or will lie."""
    digest = blake2b(json.dumps(description, sort_keys=True).encode(), digest_size=16)
    return EntryFiles(cache_dir / _FOLDER / digest.hexdigest())


def count_cached(cache_dir: Path, table: DatasetTable, plan: ResizePlan, rows: Sequence[ImageRecord]) -> int:
    """Return how many of these images a job with this plan would find in the cache now."""
    description = describe_entry(table, plan)
    entry = locate_entry(cache_dir, description)
    if not _is_sound(entry, description):
        return 0
    wanted = {row.filename for row in rows}
    states = np.fromfile(entry.states, dtype="<u8")
    names = sorted(image.filename for image in table.images)
    return sum(name in wanted and bool(state) for name, state in zip(names, states, strict=True))


def prepare_entry(entry: EntryFiles, description: dict[str, Any]) -> None:
    """Create the entry unless a sound one is there; a damaged one is discarded. Raises OSError."""
    if _is_sound(entry, description):
        return
    discard_entry(entry)
    samples = entry.folder.parent
    # Not with its parents: the folder of a dataset that was removed meanwhile must not come back.
    samples.parent.mkdir(exist_ok=True)
    samples.mkdir(exist_ok=True)
    draft = EntryFiles(samples / f".new-{secrets.token_hex(4)}")
    draft.folder.mkdir()
    try:
        _write_empty(draft, description)
        draft.folder.rename(entry.folder)
    except OSError:
        shutil.rmtree(draft.folder, ignore_errors=True)
        # Another process may have been faster; what it made is as good.
        if not _is_sound(entry, description):
            raise
    sync_directory(samples)


def discard_entry(entry: EntryFiles) -> None:
    """Take an entry away in one step and remove its files; a process that has them open goes on. Raises OSError."""
    aside = entry.folder.with_name(f".old-{secrets.token_hex(4)}")
    with contextlib.suppress(FileNotFoundError):
        entry.folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def make_room(entry: EntryFiles, demand: Demand, budget_bytes: int, held: Sequence[Held] = ()) -> str:
    """Remove other entries, the least recently used first, until the demand fits; return why it does not, or "".

    `held` are those that the same job has open: they stay, and what was promised to them is taken for spent.
    """
    others = _list_others(entry, held)
    evictable = sum(size for _, _, size in others)
    promised, free = sum(each.promised for each in held), measure_free(entry.folder) - sum(each.added for each in held)
    reserve = reserve_of(entry.folder)
    if promised + demand.needed > budget_bytes:
        beside = f" beside {format_gib(promised)} that the job has open" if promised else ""
        return (
            f"The decoded images take {format_gib(demand.needed)}{beside}, and the cache may take "
            f"{format_gib(budget_bytes)} (AI_STUDIO_CACHE_BUDGET)."
        )
    if free + evictable - demand.added < reserve:
        return (
            f"The decoded images take {format_gib(demand.added)} more, and of the {format_gib(max(0, free))} that the "
            f"disk has free {format_gib(reserve)} are left alone."
        )
    if promised + demand.needed + demand.kept > budget_bytes:
        discard_entry(entry)
        demand = Demand(demand.needed, demand.needed, 0)
    total = promised + demand.needed + demand.kept
    needed = demand.added + sum(each.added for each in held)
    while others and (total + evictable > budget_bytes or measure_free(entry.folder) - needed < reserve):
        _, oldest, size = others.pop(0)
        with contextlib.suppress(OSError):  # On Windows files that another process reads stay.
            discard_entry(oldest)
            evictable -= size
    return ""


def remove_leftovers(entry: EntryFiles) -> None:
    """Remove what processes that were killed left beside the entries."""
    with contextlib.suppress(OSError):
        for folder in entry.folder.parent.glob(".*"):
            if time.time() - folder.stat().st_mtime > _LEFTOVER_S:
                shutil.rmtree(folder, ignore_errors=True)


def measure_free(path: Path) -> int:
    """Return the free bytes of the disk that a path, there or not, lies on."""
    return shutil.disk_usage(_existing(path)).free


def reserve_of(path: Path) -> int:
    """Return how many bytes of a disk the cache leaves free."""
    return max(MIN_FREE_BYTES, int(MIN_FREE_SHARE * shutil.disk_usage(_existing(path)).total))


def format_gib(num_bytes: int) -> str:
    """Return a number of bytes for people."""
    return f"{num_bytes / _GIB:.1f} GiB" if num_bytes >= _GIB / 10 else f"{num_bytes / 2**20:.1f} MiB"


def flush_to_disk(descriptor: int) -> None:
    """Return when what was written to a file is on the disk itself."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def _write_empty(entry: EntryFiles, description: dict[str, Any]) -> None:
    with entry.pixels.open("wb") as file:
        _make_sparse(file.fileno())
        file.truncate(size_of_pixels(description))
    with entry.states.open("wb") as file:
        # Written out, not sparse: it is mapped, and a mapped file must not run out of disk.
        file.write(bytes(STATE_BYTES * description["num_images"]))
        file.flush()
        os.fsync(file.fileno())
    write_bytes_durably(entry.meta, json.dumps(description, indent=1).encode())
    (entry.folder / _USED).touch()


def size_of_pixels(description: dict[str, Any]) -> int:
    """Return the length of an entry's rows in bytes."""
    height, width = description["input_size"]
    channels = description["target"]["channels"] if "target" in description else PIXEL_CHANNELS
    return int(description["num_images"] * height * width * channels)


def _is_sound(entry: EntryFiles, description: dict[str, Any]) -> bool:
    try:
        return (
            json.loads(entry.meta.read_bytes()) == description
            and entry.pixels.stat().st_size == size_of_pixels(description)
            and entry.states.stat().st_size == STATE_BYTES * description["num_images"]
        )
    except (OSError, ValueError):
        return False


def _list_others(entry: EntryFiles, held: Sequence[Held]) -> list[tuple[float, EntryFiles, int]]:
    """Return (last use, entry, bytes on the disk) of the other entries, the least recently used first."""
    kept = {each.entry for each in held}
    return sorted((other for other in _describe_others(entry) if other[1] not in kept), key=lambda other: other[0])


def _describe_others(entry: EntryFiles) -> Iterator[tuple[float, EntryFiles, int]]:
    if not entry.folder.parent.is_dir():
        return
    for folder in entry.folder.parent.iterdir():
        if folder == entry.folder or folder.name.startswith(".") or not folder.is_dir():
            continue
        with contextlib.suppress(OSError):
            used = folder / _USED
            last_use_s = used.stat().st_mtime if used.exists() else 0.0
            yield last_use_s, EntryFiles(folder), sum(_measure_file(file) for file in folder.iterdir())


def _measure_file(path: Path) -> int:
    """Return the bytes that a file takes on the disk; its length where the system does not tell."""
    status = path.stat()
    blocks: int | None = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else 512 * blocks


def _make_sparse(descriptor: int) -> None:
    """Let rows that were never written take no space; only Windows has to be asked."""
    if sys.platform == "win32":
        import ctypes
        import msvcrt

        set_sparse, returned = 0x900C4, ctypes.c_ulong()
        handle = ctypes.c_void_p(msvcrt.get_osfhandle(descriptor))
        ctypes.windll.kernel32.DeviceIoControl(handle, set_sparse, None, 0, None, 0, ctypes.byref(returned), None)


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
