"""Projects: the record, its inputs and its summary."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from app.schemas.common import Description, ProjectId, StrictModel, Time, refuse_repeats
from app.schemas.names import Name
from app.schemas.tasks import TaskInfo


class WorkspaceRecord(StrictModel):
    """workspace.json."""

    version: int = 1
    created_at: Time
    projects: list[ProjectId] = Field(default_factory=list)

    @model_validator(mode="after")
    def _are_different(self) -> WorkspaceRecord:
        refuse_repeats(self.projects, "a project")
        return self


class ProjectRecord(StrictModel):
    """project.json."""

    version: int = 1
    id: ProjectId
    name: Name
    task: str
    description: Description = None
    created_at: Time
    updated_at: Time


class ProjectCreate(StrictModel):
    """What a new project needs."""

    name: Name
    task: str = Field(description="Id of a task, one of GET /api/tasks.", max_length=64)
    description: Description = None


class ProjectUpdate(StrictModel):
    """What can be changed of a project; a field that is left out stays."""

    name: Name | None = None
    description: Description = None


class ProjectSummary(ProjectRecord):
    """A project with the counts that a list shows."""

    num_images: int = 0
    num_experiments: int = 0


class ProjectPage(StrictModel):
    """What every page of a project starts from."""

    project: ProjectSummary
    task: TaskInfo | None = Field(description="None when the task of the project is not installed.")
    seq: int = Field(description="The newest event of the log when the rest was read.")


class CorruptDocument(StrictModel):
    """A file that cannot be read: damaged and moved to .corrupt, or left in place."""

    path: str = Field(description="Where it lies now, relative to the workspace.")
    reason: str
    is_set_aside: bool = Field(
        True, description="False: it is where it was, because it cannot be read now or a later version wrote it."
    )


class ProjectList(StrictModel):
    """Every project, and the documents that could not be read."""

    projects: list[ProjectSummary]
    corrupt: list[CorruptDocument] = Field(default_factory=list)


class ProjectDeleted(StrictModel):
    """Answer to a deletion."""

    project_id: ProjectId
    deleted: Literal[True] = True
