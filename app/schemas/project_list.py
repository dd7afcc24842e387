"""Query and view models of the start page: pages of projects, what a project holds, and its first steps."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.schemas.common import ExperimentId, JobId, QueryModel, StrictModel
from app.schemas.experiments import ErrorInfo, ExperimentStatus
from app.schemas.jobs import JobProgress
from app.schemas.projects import CorruptDocument, ProjectSummary
from app.schemas.samples import SampleInfo
from app.schemas.tasks import TaskInfo

ProjectSort = Literal["changed", "name", "created", "images"]
NextStep = Literal["import", "wait", "split", "experiment", "train", "evaluate", "export", "done"]


class ProjectQuery(QueryModel):
    """Which projects a page holds and in which order."""

    search: Annotated[str, Field(max_length=80, description="Part of a name, a description or an id.")] = ""
    task: Annotated[str, Field(max_length=64, description="Id of a task.")] = ""
    sort_by: ProjectSort = "changed"
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1


class ProjectWork(StrictModel):
    """What goes on in a project: the job that runs, else the first that waits."""

    job_id: JobId
    kind: str
    is_running: bool
    progress: JobProgress
    num_more: int = Field(description="Further jobs that run or wait.")


class ListedProject(ProjectSummary):
    """A project as the list shows it."""

    changed_at: str = Field(description="Of the record, or of a job that came or went.")
    work: ProjectWork | None = None
    failed_import: ErrorInfo | None = Field(None, description="Why there are no images, when an import ended badly.")
    next_step: NextStep | None = Field(None, description="What to do next, on a page of the list.")


class ProjectListPage(StrictModel):
    """A page of projects, and what a new one can be about."""

    projects: list[ListedProject]
    corrupt: list[CorruptDocument]
    query: ProjectQuery
    num_projects: int = Field(description="In the workspace.")
    num_found: int
    num_pages: int
    tasks: list[TaskInfo]
    samples: list[SampleInfo]


class ProjectExtent(StrictModel):
    """What a project holds, as a copy or a deletion concerns it."""

    project: ListedProject
    task: TaskInfo | None
    num_splits: int = 0
    num_exports: int
    copy_name: str = Field(description="A name that no project has.")


class FirstExperiment(StrictModel):
    """The experiment that is furthest on its way."""

    id: ExperimentId
    name: str
    status: ExperimentStatus


class ProjectSteps(StrictModel):
    """How far a project is, and what to do next."""

    project: ListedProject
    next_step: NextStep
    split_name: str | None = None
    experiment: FirstExperiment | None = None
    has_evaluation: bool = False
    num_exports: int = 0
