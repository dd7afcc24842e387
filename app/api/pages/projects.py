"""The start page and the list of projects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse

from app.api.dependencies import StudioDep
from app.api.templating import Fragment, render_fragment
from app.schemas.projects import CorruptDocument, ProjectList, ProjectSummary
from app.schemas.tasks import TaskList

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class ProjectCard:
    """What the list shows of a project."""

    id: str
    name: str
    description: str | None
    task_title: str
    num_images: str
    num_experiments: str
    updated_at: str
    updated_text: str


@dataclass(frozen=True)
class ProjectListContext:
    """Names for `projects/_project_list.html` and, with `section`, for the page around it."""

    projects: list[ProjectCard]
    corrupt: list[CorruptDocument]
    example_task: str
    section: str = "projects"


def project_list_fragment(projects: ProjectList, tasks: TaskList) -> Fragment:
    """Return the list without the page around it."""
    return Fragment("projects/_project_list.html", _list_context(projects, tasks))


@router.head("/")
@router.get("/")
def open_start_page() -> RedirectResponse:
    """The projects are where everything begins."""
    return RedirectResponse("/projects", 307)


@router.head("/projects")
@router.get("/projects")
def show_projects(studio: StudioDep) -> HTMLResponse:
    """The page of all projects."""
    context = _list_context(studio.projects.list_projects(), studio.tasks.list_tasks())
    return HTMLResponse(render_fragment(Fragment("projects/index.html", context)))


def _list_context(projects: ProjectList, tasks: TaskList) -> ProjectListContext:
    titles = {task.id: task.title for task in tasks.tasks}
    cards = [_card(project, titles.get(project.task, project.task)) for project in projects.projects]
    return ProjectListContext(cards, projects.corrupt, next(iter(titles), "TASK"))


def _card(project: ProjectSummary, task_title: str) -> ProjectCard:
    return ProjectCard(
        id=project.id,
        name=project.name,
        description=project.description,
        task_title=task_title,
        num_images=f"{project.num_images:,}",
        num_experiments=f"{project.num_experiments:,}",
        updated_at=project.updated_at,
        updated_text=_minute(project.updated_at),
    )


def _minute(iso: str) -> str:
    try:
        return datetime.fromisoformat(iso.replace("Z", "+00:00")).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return iso
