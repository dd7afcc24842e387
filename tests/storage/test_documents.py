"""Records are cached by signature, and a corrupt one is set aside and named."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.schemas.projects import WorkspaceRecord
from app.storage.documents import DocumentStore
from app.storage.json_store import CorruptDocumentError, write_model
from app.storage.paths import WorkspacePaths


@pytest.fixture
def store(tmp_path: Path) -> DocumentStore:
    return DocumentStore(WorkspacePaths(tmp_path))


def test_a_record_is_read_once_until_it_changes(store: DocumentStore) -> None:
    path = store.paths.workspace_file
    store.write(path, WorkspaceRecord(created_at="2026-01-01T00:00:01Z"))
    first = store.read(path, WorkspaceRecord)
    assert store.read(path, WorkspaceRecord) is first
    write_model(path, WorkspaceRecord(created_at="2026-01-01T00:00:02Z"))  # somebody else writes
    assert store.read(path, WorkspaceRecord).created_at == "2026-01-01T00:00:02Z"


def test_a_corrupt_record_is_set_aside_and_named(store: DocumentStore) -> None:
    path = store.paths.workspace_file
    path.write_bytes(b"{ this is not JSON")
    with pytest.raises(CorruptDocumentError):
        store.read(path, WorkspaceRecord)
    assert not path.exists()
    corrupt = store.list_corrupt()
    assert len(corrupt) == 1
    assert "workspace.json" in corrupt[0].path
    with pytest.raises(FileNotFoundError):
        store.read(path, WorkspaceRecord)


def test_an_update_makes_a_new_record_in_place_of_a_corrupt_one(store: DocumentStore) -> None:
    path = store.paths.workspace_file
    path.write_bytes(b"\x00")
    made = store.update(
        path, WorkspaceRecord, lambda record: record, lambda: WorkspaceRecord(created_at="2026-01-01T00:00:03Z")
    )
    assert made.created_at == "2026-01-01T00:00:03Z"
    assert store.read(path, WorkspaceRecord) == made


def test_an_update_of_a_missing_record_without_default_fails(store: DocumentStore) -> None:
    with pytest.raises(FileNotFoundError):
        store.update(store.paths.workspace_file, WorkspaceRecord, lambda record: record)


def test_forget_drops_what_lies_below_a_directory(store: DocumentStore) -> None:
    path = store.paths.workspace_file
    store.write(path, WorkspaceRecord(created_at="2026-01-01T00:00:01Z"))
    first = store.read(path, WorkspaceRecord)
    store.forget(store.paths.root)
    assert store.read(path, WorkspaceRecord) is not first
