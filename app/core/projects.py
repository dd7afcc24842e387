"""Projects: create, list, change, delete."""

from __future__ import annotations

from collections.abc import Callable

from app.core.announcing import announce_change
from app.core.collaborators import Collaborators
from app.core.exceptions import ConflictError, invalid_field
from app.schemas.common import new_id, utc_now
from app.schemas.jobs import TERMINAL_JOB_STATUSES
from app.schemas.projects import (
    ProjectCreate,
    ProjectDeleted,
    ProjectList,
    ProjectRecord,
    ProjectSummary,
    ProjectUpdate,
)
from app.storage.cache import Cache
from app.storage.deletion import free_space
from app.tasks.registry import list_specs

# The list is kept until this process changes a document; this long at most, for what is changed by hand.
LIST_AGE_S = 2.0
END_WAIT_S = 12.0


class ProjectService:
    """What can be done with projects."""

    def __init__(self, shared: Collaborators) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._bus = shared.bus
        self._scheduler = shared.scheduler
        self._gate = shared.gate
        self._on_delete: list[Callable[[str], None]] = []
        self._listed: Cache[None, ProjectList] = Cache()

    def on_delete(self, callback: Callable[[str], None]) -> None:
        """Have a callback called with the id of each project before its files go."""
        self._on_delete.append(callback)

    def list_projects(self) -> ProjectList:
        """Return every project, the last changed first, and the documents that were set aside."""
        generation = self._stores.documents.generation
        return self._listed.get(None, self._list_all, state=generation, max_age_s=LIST_AGE_S)

    def _list_all(self) -> ProjectList:
        summaries = [self._summarize(record) for record in self._stores.projects.read_all()]
        summaries.sort(key=lambda summary: summary.updated_at, reverse=True)
        return ProjectList(projects=summaries, corrupt=self._stores.documents.list_corrupt())

    def create_project(self, request: ProjectCreate) -> ProjectSummary:
        """Create a project; raises ValidationFailedError for an unknown task."""
        if request.task not in list_specs():
            raise invalid_field("task", f"Unknown task {request.task!r}. Known tasks: {', '.join(list_specs())}.")
        now = utc_now()
        record = ProjectRecord(id=new_id("proj"), created_at=now, updated_at=now, **request.model_dump())
        self._stores.projects.create(record)
        return self._summarize(record)

    def get_project(self, project_id: str) -> ProjectSummary:
        """Return a project; raises NotFoundError."""
        return self._summarize(self._lookup.find_project(project_id))

    def update_project(self, project_id: str, request: ProjectUpdate) -> ProjectSummary:
        """Rename or describe a project; raises NotFoundError."""
        changes = request.model_dump(exclude_unset=True)
        if changes.get("name", "") is None:
            raise invalid_field("name", "A project needs a name.")
        with self._gate.enter(project_id):
            self._lookup.find_project(project_id)  # inside: it may have been deleted while this waited
            updated = self._stores.projects.update(project_id, changes)
        announce_change(self._bus, project_id, "project", project_id, "changed")
        return self._summarize(updated)

    def delete_project(self, project_id: str) -> ProjectDeleted:
        """Delete a project with all its files; raises ConflictError while jobs of it are pending or running."""
        with self._gate.enter(project_id):
            self._lookup.find_project(project_id)
            self._refuse_active(project_id)
            for callback in self._on_delete:
                callback(project_id)
            self._scheduler.cancel_project(project_id, END_WAIT_S)  # what was let go already and has not ended yet
            with self._bus.deleting(project_id):
                trashed = self._stores.projects.delete(project_id)
            self._stores.datasets.forget(project_id)
            self._scheduler.forget_project(project_id)
            free_space(trashed)
            self._stores.projects.catch_up()
        return ProjectDeleted(project_id=project_id)

    def _refuse_active(self, project_id: str) -> None:
        active = [
            job
            for job in self._scheduler.list_jobs()
            if job.project_id == project_id and job.status not in TERMINAL_JOB_STATUSES and job.is_work
        ]
        if active:
            kinds = ", ".join(sorted({job.kind for job in active}))
            msg = f"The project has work in progress ({kinds}). "
            msg += "Cancel it or wait until it is finished, then delete the project."
            raise ConflictError(msg)

    def _summarize(self, record: ProjectRecord) -> ProjectSummary:
        return ProjectSummary(
            **record.model_dump(),
            num_images=self._stores.datasets.count_images(record.id),
            num_experiments=self._stores.experiments.count(record.id),
        )
