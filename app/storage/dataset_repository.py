"""Reads and writes dataset.json and the files beside it; keeps the decoded table until the file changes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from app.datasets.table import DATASET_DECODER, DATASET_VERSION, DatasetTable, ImageRecord, StatsRecord, encode_dataset
from app.durable import sync_directory, write_bytes_durably
from app.schemas.projects import ProjectRecord
from app.storage.cache import Cache
from app.storage.dataset_checks import find_fault, find_misfit, locate_reference
from app.storage.deletion import free_space, take_away
from app.storage.documents import DocumentStore, is_there, sign_file
from app.storage.json_store import CorruptDocumentError, check_version, read_bytes, read_model
from app.storage.paths import UnsafePathError, contained

CACHED_TABLES = 4
T = TypeVar("T")


MAX_DATASET_BYTES = 4 * 2**30


class _Version(msgspec.Struct):
    """The version alone. It is decoded first, because a later version may have changed everything else."""

    version: int = DATASET_VERSION


class _Extent(msgspec.Struct):
    """The part of dataset.json that a list of projects needs; everything else is skipped while decoding."""

    image_stats: StatsRecord
    split_names: list[str] = []
    version: int = DATASET_VERSION


_EXTENT_DECODER = msgspec.json.Decoder(_Extent)
_VERSION_DECODER = msgspec.json.Decoder(_Version)


class DatasetRepository:
    """Reads, publishes, changes and clears the dataset of a project."""

    def __init__(self, store: DocumentStore, known_tasks: Mapping[str, str] | None = None) -> None:
        """`known_tasks`: what each task annotates an image with; None checks no kind."""
        self._store = store
        self._paths = store.paths
        self._known_tasks = known_tasks
        self._tables: Cache[str, DatasetTable] = Cache(CACHED_TABLES)
        self._extents: Cache[str, _Extent] = Cache()

    def has_dataset(self, project_id: str) -> bool:
        """Return whether a dataset was imported, readable or not."""
        return is_there(self._paths.dataset_file(project_id))

    def read_table(self, project_id: str) -> DatasetTable:
        """Return the decoded dataset, shared and not to be changed; raises FileNotFoundError, CorruptDocumentError."""
        path = self._paths.dataset_file(project_id)
        with self._store.naming(path):
            return self._tables.get(project_id, lambda: read_table(path, self._known_tasks), state=sign_file(path))

    def count_images(self, project_id: str) -> int:
        """Return the number of images, 0 without a readable dataset; decodes no image."""
        extent = self._read_extent(project_id)
        return 0 if extent is None else extent.image_stats.num_images

    def list_split_names(self, project_id: str) -> list[str]:
        """Return the names of the splits, none without a readable dataset; decodes no image."""
        extent = self._read_extent(project_id)
        return [] if extent is None else extent.split_names

    def change_table(self, project_id: str, change: Callable[[DatasetTable], DatasetTable]) -> DatasetTable:
        """Replace the table by a changed copy under its lock; return the copy."""
        path = self._paths.dataset_file(project_id)
        with self._store.locked(path):
            table = change(self.read_table(project_id))
            write_bytes_durably(path, encode_dataset(table))
            self._store.note_change()
            self._tables.put(project_id, table, state=sign_file(path))
        return table

    def publish(self, project_id: str, staging_dir: Path) -> None:
        """Move a finished import into place in one step; raises FileExistsError when a dataset is there already.

        After any OSError the import lies where it was.
        """
        target = self._paths.dataset_dir(project_id)
        with self._store.locked(self._paths.dataset_file(project_id)):
            if target.exists():
                if self.has_dataset(project_id):
                    raise FileExistsError(target)
                free_space(take_away(target, self._paths.trash_dir, "dataset.json"))
            staging_dir.rename(target)
            try:
                sync_directory(target.parent)
            except OSError:
                target.rename(staging_dir)
                raise
            self._store.note_change()

    def clear(self, project_id: str) -> None:
        """Delete the dataset with one rename, then its files; raises FileNotFoundError when there is none."""
        directory = self._paths.dataset_dir(project_id)
        with self._store.locked(self._paths.dataset_file(project_id)):
            trashed = take_away(directory, self._paths.trash_dir, "dataset.json")
        self.forget(project_id)
        free_space(trashed)

    def forget(self, project_id: str) -> None:
        """Drop the cached table of a project."""
        self._tables.forget(project_id)
        self._extents.forget(project_id)
        self._store.note_change()

    def image_path(self, project_id: str, image: ImageRecord) -> Path:
        """Return the path of an image; raises UnsafePathError when its name or its source leads elsewhere.

        A source must lie inside the folder that was imported by reference, after links are resolved.
        """
        if image.source is None:
            return contained(self._paths.images_dir(project_id), image.filename)
        table = self.read_table(project_id)
        path = locate_reference(table.import_mode, table.source_path, image.source)
        if path is None:
            msg = f"The image {image.filename[:80]!r} lies outside of the folder that was imported; it is not shown."
            raise UnsafePathError(msg)
        return path

    def mask_path(self, project_id: str, mask_path: str) -> Path:
        """Return the path of a mask, named with or without its folder; raises UnsafePathError."""
        return contained(self._paths.masks_dir(project_id), mask_path.removeprefix("masks/"))

    def thumbnail_path(self, project_id: str, image: ImageRecord) -> Path:
        """Return the path of the thumbnail of an image, which may not exist yet."""
        return contained(self._paths.thumbnails_dir(project_id), f"{image.filename}.jpg")

    def _read_extent(self, project_id: str) -> _Extent | None:
        path = self._paths.dataset_file(project_id)
        try:
            with self._store.naming(path):
                return self._extents.get(project_id, lambda: _read_extent(path), state=sign_file(path))
        except (FileNotFoundError, CorruptDocumentError):
            return None


def _read_extent(path: Path) -> _Extent:
    extent = _decode(path, read_bytes(path, MAX_DATASET_BYTES), _EXTENT_DECODER)
    check_version(path, extent.version, DATASET_VERSION)
    return extent


def read_table(path: Path, known_tasks: Mapping[str, str] | None = None) -> DatasetTable:
    """Decode and check dataset.json; raises FileNotFoundError or CorruptDocumentError.

    With `known_tasks` its annotations must be those of its project's task.
    """
    table = _decode(path, read_bytes(path, MAX_DATASET_BYTES), DATASET_DECODER)
    check_version(path, table.version, DATASET_VERSION)
    fault = find_fault(table)
    if not fault and known_tasks is not None:
        fault = find_misfit(table, _read_task(path, table.task), known_tasks)
    if fault:
        raise CorruptDocumentError(path, fault)
    return table


def _read_task(dataset_file: Path, unknown: str) -> str:
    """Return the task of the project that a dataset lies in, `unknown` where its record cannot be read."""
    try:
        return read_model(dataset_file.parent.parent / "project.json", ProjectRecord).task
    except (OSError, CorruptDocumentError):
        return unknown


def _decode(path: Path, data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(data)
    except RecursionError:
        raise CorruptDocumentError(path, "it is nested too deeply") from None
    except ValueError as error:  # msgspec's errors are, and those of UTF-8
        with contextlib.suppress(ValueError, RecursionError):
            check_version(path, _VERSION_DECODER.decode(data).version, DATASET_VERSION)
        raise CorruptDocumentError(path, str(error)) from error
