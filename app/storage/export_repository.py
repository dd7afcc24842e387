"""Reads and writes export.json and the files of an export, and derives the index from the records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.durable import make_directory
from app.schemas.export import ExportIndexEntry, ExportRecord, ExportsIndex, ParityCertificate
from app.storage.deletion import free_space, take_away
from app.storage.documents import DocumentStore
from app.storage.json_store import CorruptDocumentError
from app.storage.paths import contained


class ExportRepository:
    """Creates, reads, changes and deletes exports."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._paths = store.paths

    def create(self, project_id: str, record: ExportRecord) -> Path:
        """Store a new export; return its directory."""
        directory = self._paths.export_dir(project_id, record.id)
        make_directory(directory, below=self._paths.project_dir(project_id))
        try:
            self._store.write(directory / "export.json", record)
        except OSError:
            free_space(directory)
            raise
        self.refresh_index(project_id)
        return directory

    def read(self, project_id: str, export_id: str) -> ExportRecord:
        """Return an export; raises FileNotFoundError or CorruptDocumentError."""
        return self._store.read(self._paths.export_dir(project_id, export_id) / "export.json", ExportRecord)

    def read_all(self, project_id: str) -> list[ExportRecord]:
        """Return every readable export, newest first."""
        records = []
        for directory in self._store.list_directories(self._paths.exports_dir(project_id), "export"):
            path = directory / "export.json"
            try:
                records.append(self._store.read(path, ExportRecord))
            except FileNotFoundError:
                self._store.name_missing(path)
            except CorruptDocumentError:
                continue
        return sorted(records, key=lambda record: (record.created_at, record.id), reverse=True)

    def update(self, project_id: str, export_id: str, changes: dict[str, Any]) -> ExportRecord:
        """Change fields of an export; the index follows."""
        path = self._paths.export_dir(project_id, export_id) / "export.json"
        record = self._store.update(path, ExportRecord, lambda current: current.model_copy(update=changes))
        self.refresh_index(project_id)
        return record

    def delete(self, project_id: str, export_id: str) -> None:
        """Delete an export with one rename, then its files."""
        directory = self._paths.export_dir(project_id, export_id)
        trashed = take_away(directory, self._paths.trash_dir, "export.json")
        self._store.forget(directory)
        free_space(trashed)  # first, so that the index has room on a full disk
        self.refresh_index(project_id)

    def file_path(self, project_id: str, export_id: str, name: str) -> Path:
        """Return the path of a file of an export; raises UnsafePathError when the name leads elsewhere."""
        return contained(self._paths.export_dir(project_id, export_id), name)

    def read_certificate(self, project_id: str, export_id: str) -> ParityCertificate | None:
        """Return parity.json, None when there is none."""
        path = self._paths.export_dir(project_id, export_id) / "parity.json"
        try:
            return self._store.read(path, ParityCertificate)
        except (FileNotFoundError, CorruptDocumentError):
            return None

    def refresh_index(self, project_id: str) -> None:
        """Derive exports_index.json from the records; retried later when it cannot be written."""
        fields = set(ExportIndexEntry.model_fields)

        def build() -> ExportsIndex:
            records = self.read_all(project_id)
            return ExportsIndex(exports=[ExportIndexEntry(**record.model_dump(include=fields)) for record in records])

        self._store.derive(self._paths.exports_index_file(project_id), ExportsIndex, build)
