"""Reads and writes workspace.json and project.json: which projects there are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from pathlib import Path

from app.durable import make_directory
from app.schemas.common import utc_now
from app.schemas.projects import ProjectRecord, WorkspaceRecord
from app.storage.deletion import free_space, take_away
from app.storage.documents import DocumentStore, is_there
from app.storage.json_store import (
    CorruptDocumentError,
    NewerDocumentError,
    UnreadableDocumentError,
    empty_directory,
    read_model,
)

logger = logging.getLogger(__name__)


class ProjectRepository:
    """Creates, reads, changes and deletes projects."""

    def __init__(self, store: DocumentStore, known_tasks: Collection[str] | None = None) -> None:
        """`known_tasks`: a project of another task is left to the version that knows it; None knows every task."""
        self._store = store
        self._paths = store.paths
        self._known_tasks = known_tasks
        self._deleted: set[str] = set()  # perhaps still listed, on a disk that cannot be written

    def open_workspace(self) -> None:
        """Create or repair workspace.json so that it lists exactly the project directories that exist.

        When it cannot be written, the directories are the list, see `list_ids`.
        """
        make_directory(self._paths.projects_dir)
        try:
            self._reconcile()
        except (OSError, CorruptDocumentError) as error:
            logger.error("workspace.json could not be brought up to date: %s", error)

    def clean_up(self) -> None:
        """Remove what earlier deletions left behind."""
        empty_directory(self._paths.trash_dir)

    def list_ids(self) -> list[str]:
        """Return the ids of all projects in the order of their creation; by id while workspace.json cannot be read."""
        return [project_id for project_id in self._list_recorded() if project_id not in self._deleted]

    def _list_recorded(self) -> list[str]:
        try:
            return list(self._store.read(self._paths.workspace_file, WorkspaceRecord).projects)
        except (FileNotFoundError, CorruptDocumentError):
            pass
        try:
            return list(self._reconcile().projects)
        except (OSError, CorruptDocumentError):
            return self._list_present()

    def create(self, record: ProjectRecord) -> None:
        """Store a new project; it exists as soon as workspace.json lists it. On an OSError nothing stays behind."""
        try:
            self._store.write(self._paths.project_file(record.id), record)
            self._update_workspace(lambda ws: _with_project(ws, record.id))
        except OSError:
            free_space(self._paths.project_dir(record.id))
            self._store.forget(self._paths.project_dir(record.id))
            raise

    def read(self, project_id: str) -> ProjectRecord:
        """Return a project; raises FileNotFoundError or CorruptDocumentError."""
        return self._store.read(self._paths.project_file(project_id), ProjectRecord, self._check_task)

    def read_all(self) -> list[ProjectRecord]:
        """Return every project that can be read; the others are named."""
        records = []
        for project_id in self.list_ids():
            try:
                records.append(self.read(project_id))
            except FileNotFoundError:
                self._store.name_missing(self._paths.project_file(project_id))
            except CorruptDocumentError:
                continue
        return records

    def update(self, project_id: str, changes: dict[str, object]) -> ProjectRecord:
        """Change fields of a project; `updated_at` follows."""
        stamped = {**changes, "updated_at": utc_now()}
        path = self._paths.project_file(project_id)
        return self._store.update(path, ProjectRecord, lambda record: record.model_copy(update=stamped))

    def touch(self, project_id: str) -> None:
        """Set `updated_at` after a change; retried later on a full disk."""
        self._store.followers.write(f"{project_id}/project.json", lambda: self.update(project_id, {}))

    def delete(self, project_id: str) -> Path:
        """Take a project out of the workspace in one step; return the directory to be removed with `free_space`.

        The list follows. On a full disk it can only be written once the space is free: call `catch_up` then.
        """
        directory = self._paths.project_dir(project_id)
        trashed = take_away(directory, self._paths.trash_dir, "project.json")
        self._deleted.add(project_id)
        self._store.forget(directory)
        self._store.followers.write("workspace.json", self._drop_deleted)
        return trashed

    def _reconcile(self) -> WorkspaceRecord:
        """Make workspace.json list the projects that exist; raises OSError or CorruptDocumentError."""
        present = self._list_present()

        def reconcile(record: WorkspaceRecord) -> WorkspaceRecord:
            kept = [pid for pid in record.projects if is_there(self._paths.projects_dir / pid)]
            return record.model_copy(update={"projects": kept + [pid for pid in present if pid not in kept]})

        return self._store.update(
            self._paths.workspace_file, WorkspaceRecord, reconcile, lambda: WorkspaceRecord(created_at=utc_now())
        )

    def catch_up(self) -> None:
        """Write what could not be written when a project was deleted."""
        self._store.followers.catch_up()

    def _drop_deleted(self) -> None:
        self._update_workspace(lambda record: record)

    def _list_present(self) -> list[str]:
        """Return the ids of the directories that hold a project.json, readable or not."""
        directories = self._store.list_directories(self._paths.projects_dir, "proj")
        return [path.name for path in directories if is_there(path / "project.json")]

    def _check_task(self, record: ProjectRecord) -> None:
        check_task(self._paths.project_file(record.id), record, self._known_tasks)

    def _update_workspace(self, change: Callable[[WorkspaceRecord], WorkspaceRecord]) -> None:
        """Change workspace.json. While it cannot be read, the directories are the list and there is nothing to do."""

        def change_and_drop(record: WorkspaceRecord) -> WorkspaceRecord:
            changed = change(record)
            kept = [project_id for project_id in changed.projects if project_id not in self._deleted]
            return changed.model_copy(update={"projects": kept})

        try:
            self._store.update(
                self._paths.workspace_file,
                WorkspaceRecord,
                change_and_drop,
                lambda: WorkspaceRecord(created_at=utc_now()),
            )
        except (UnreadableDocumentError, NewerDocumentError) as error:
            logger.error("workspace.json was not changed: %s", error)


def _with_project(workspace: WorkspaceRecord, project_id: str) -> WorkspaceRecord:
    """Return the list with a project; a repair of the list may have found its folder already."""
    if project_id in workspace.projects:
        return workspace
    return workspace.model_copy(update={"projects": [*workspace.projects, project_id]})


def read_project(path: Path, known_tasks: Collection[str] | None = None) -> ProjectRecord:
    """Read project.json and check its task; raises FileNotFoundError or CorruptDocumentError."""
    record = read_model(path, ProjectRecord)
    check_task(path, record, known_tasks)
    return record


def check_task(path: Path, record: ProjectRecord, known_tasks: Collection[str] | None) -> None:
    """Refuse a project of a task that is not known here; raises NewerDocumentError."""
    if known_tasks is not None and record.task not in known_tasks:
        known = ", ".join(known_tasks)
        reason = f"its task {record.task[:64]!r} needs a later version of the application; this one knows {known}"
        raise NewerDocumentError(path, reason)
