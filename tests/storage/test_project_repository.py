"""Projects exist when workspace.json lists them, and the list repairs itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.schemas.projects import ProjectRecord, WorkspaceRecord
from app.storage.documents import DocumentStore
from app.storage.json_store import empty_directory
from app.storage.paths import WorkspacePaths
from app.storage.project_repository import ProjectRepository


@pytest.fixture
def store(tmp_path: Path) -> DocumentStore:
    return DocumentStore(WorkspacePaths(tmp_path))


@pytest.fixture
def projects(store: DocumentStore) -> ProjectRepository:
    repository = ProjectRepository(store)
    repository.open_workspace()
    return repository


def make_record(number: int) -> ProjectRecord:
    return ProjectRecord(
        id=f"proj-{number:08x}",
        name=f"P{number}",
        task="t",
        created_at="2026-01-01T00:00:00Z",
        updated_at="2026-01-01T00:00:00Z",
    )


def test_create_list_update_delete(projects: ProjectRepository) -> None:
    projects.create(make_record(1))
    projects.create(make_record(2))
    assert projects.list_ids() == ["proj-00000001", "proj-00000002"]
    changed = projects.update("proj-00000001", {"name": "New"})
    assert projects.read("proj-00000001") == changed
    assert changed.updated_at > "2026-01-01"
    trashed = projects.delete("proj-00000001")
    assert projects.list_ids() == ["proj-00000002"]
    assert trashed.is_dir()
    projects.clean_up()
    assert not trashed.exists()


def test_opening_adopts_what_is_there_and_drops_what_is_not(store: DocumentStore, projects: ProjectRepository) -> None:
    projects.create(make_record(1))
    store.write(store.paths.project_file("proj-00000002"), make_record(2))  # a crash came before the list was written
    projects.create(make_record(3))
    empty_directory(store.paths.project_dir("proj-00000003"))
    store.paths.project_dir("proj-00000003").rmdir()
    projects.open_workspace()
    assert projects.list_ids() == ["proj-00000001", "proj-00000002"]


def test_a_project_that_a_repair_has_found_already_is_listed_once(
    store: DocumentStore, projects: ProjectRepository
) -> None:
    store.write(store.paths.project_file("proj-00000001"), make_record(1))
    projects.open_workspace()  # while it is being created
    projects.create(make_record(1))
    assert store.read(store.paths.workspace_file, WorkspaceRecord).projects == ["proj-00000001"]
    assert DocumentStore(store.paths).read(store.paths.workspace_file, WorkspaceRecord).projects == ["proj-00000001"]


def test_a_repeated_project_is_refused_and_the_list_made_anew(
    store: DocumentStore, projects: ProjectRepository
) -> None:
    projects.create(make_record(1))
    text = store.paths.workspace_file.read_text().replace('"proj-00000001"', '"proj-00000001", "proj-00000001"')
    store.paths.workspace_file.write_text(text)
    assert projects.list_ids() == ["proj-00000001"]
    assert "a project occurs twice: proj-00000001" in store.list_corrupt()[0].reason


def test_a_lost_workspace_file_is_made_anew(store: DocumentStore, projects: ProjectRepository) -> None:
    projects.create(make_record(1))
    store.paths.workspace_file.write_bytes(b"garbage")
    projects.open_workspace()
    assert projects.list_ids() == ["proj-00000001"]
    assert store.read(store.paths.workspace_file, WorkspaceRecord).version == 1


def test_one_corrupt_project_does_not_hide_the_others(store: DocumentStore, projects: ProjectRepository) -> None:
    projects.create(make_record(1))
    projects.create(make_record(2))
    store.paths.project_file("proj-00000001").write_bytes(b"{}")
    assert [record.id for record in projects.read_all()] == ["proj-00000002"]
    assert len(store.list_corrupt()) == 1
