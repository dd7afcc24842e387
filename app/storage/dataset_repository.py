"""dataset.json and the files around it. The decoded table is kept as long as the file's signature stays the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import msgspec

from app.datasets.table import DATASET_VERSION, DatasetTable, ImageRecord, StatsRecord, decode_dataset, encode_dataset
from app.durable import sync_directory, write_bytes_durably
from app.storage.deletion import free_space, take_away
from app.storage.documents import DocumentStore, Signature, sign_file
from app.storage.json_store import CorruptDocumentError
from app.storage.paths import contained

CACHED_TABLES = 4


class _Extent(msgspec.Struct):
    """The part of dataset.json that a list of projects needs; everything else is skipped while decoding."""

    image_stats: StatsRecord
    split_names: list[str] = []


_EXTENT_DECODER = msgspec.json.Decoder(_Extent)


class DatasetRepository:
    """Reads, publishes, changes and clears the dataset of a project."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._paths = store.paths
        self._mutex = threading.Lock()
        self._tables: OrderedDict[str, tuple[Signature, DatasetTable]] = OrderedDict()
        self._extents: dict[str, tuple[Signature, _Extent]] = {}

    def has_dataset(self, project_id: str) -> bool:
        """Return whether a dataset was imported."""
        return self._paths.dataset_file(project_id).is_file()

    def read_table(self, project_id: str) -> DatasetTable:
        """Return the decoded dataset, shared and not to be changed; raises FileNotFoundError, CorruptDocumentError."""
        path = self._paths.dataset_file(project_id)
        signature = sign_file(path)
        with self._mutex:
            cached = self._tables.get(project_id)
            if cached is not None and cached[0] == signature:
                self._tables.move_to_end(project_id)
                return cached[1]
        table = self._decode(path)
        self._remember(project_id, signature, table)
        return table

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
            self._remember(project_id, sign_file(path), table)
        return table

    def publish(self, project_id: str, staging_dir: Path) -> None:
        """Move a finished import into place in one step; raises FileExistsError when a dataset is there already."""
        target = self._paths.dataset_dir(project_id)
        with self._store.locked(self._paths.dataset_file(project_id)):
            if target.exists():
                if self.has_dataset(project_id):
                    raise FileExistsError(target)
                free_space(take_away(target, self._paths.trash_dir, "dataset.json"))
            staging_dir.rename(target)
            sync_directory(target.parent)
            self._store.note_change()

    def clear(self, project_id: str) -> None:
        """Take the dataset away in one step and remove its files; raises FileNotFoundError when there is none."""
        directory = self._paths.dataset_dir(project_id)
        with self._store.locked(self._paths.dataset_file(project_id)):
            trashed = take_away(directory, self._paths.trash_dir, "dataset.json")
        self.forget(project_id)
        free_space(trashed)

    def forget(self, project_id: str) -> None:
        """Drop the cached table of a project."""
        with self._mutex:
            self._tables.pop(project_id, None)
            self._extents.pop(project_id, None)
        self._store.note_change()

    def image_path(self, project_id: str, image: ImageRecord) -> Path:
        """Return where an image lies; raises UnsafePathError when its name leads elsewhere."""
        if image.source is not None:
            return Path(image.source)
        return contained(self._paths.images_dir(project_id), image.filename)

    def mask_path(self, project_id: str, mask_path: str) -> Path:
        """Return where a mask lies, named with or without its folder; raises UnsafePathError."""
        return contained(self._paths.masks_dir(project_id), mask_path.removeprefix("masks/"))

    def thumbnail_path(self, project_id: str, image: ImageRecord) -> Path:
        """Return where the thumbnail of an image lies or will lie."""
        return contained(self._paths.thumbnails_dir(project_id), f"{image.filename}.jpg")

    def _read_extent(self, project_id: str) -> _Extent | None:
        path = self._paths.dataset_file(project_id)
        try:
            signature = sign_file(path)
            cached = self._extents.get(project_id)
            if cached is None or cached[0] != signature:
                cached = (signature, _EXTENT_DECODER.decode(path.read_bytes()))
                self._extents[project_id] = cached
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        return cached[1]

    def _decode(self, path: Path) -> DatasetTable:
        try:
            table = decode_dataset(path.read_bytes())
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._store.quarantine(path, str(error))
            raise CorruptDocumentError(path, str(error)) from error
        if table.version > DATASET_VERSION:
            reason = f"it has version {table.version}, this application knows versions up to {DATASET_VERSION}"
            self._store.quarantine(path, reason)
            raise CorruptDocumentError(path, reason)
        return table

    def _remember(self, project_id: str, signature: Signature, table: DatasetTable) -> None:
        with self._mutex:
            self._tables[project_id] = (signature, table)
            self._tables.move_to_end(project_id)
            while len(self._tables) > CACHED_TABLES:
                self._tables.popitem(last=False)
