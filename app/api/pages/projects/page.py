"""The start page: every project, what goes on in it, and how a new one begins. The page only; rules are in core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.annotations.registry import get_kind
from app.api.dependencies import ProjectPath, StudioDep
from app.api.pages.forms import Option
from app.api.pages.shell import page_response
from app.api.pages.times import Moment, describe_moment
from app.api.templating import Fragment, render_fragment
from app.plurals import count
from app.schemas.project_list import (
    ListedProject,
    NextStep,
    ProjectExtent,
    ProjectListPage,
    ProjectQuery,
    ProjectSteps,
    ProjectWork,
)
from app.schemas.projects import CorruptDocument
from app.schemas.samples import SampleInfo
from app.schemas.tasks import TaskInfo

router = APIRouter(include_in_schema=False)

DialogAction = Literal["rename", "duplicate", "delete"]
FEW_PROJECTS = 6
SHOWN_CHARACTERS = 120  # two lines of a card
NAMED_DOCUMENTS = 20
SORT_OPTIONS = (
    Option("changed", "Last changed"),
    Option("name", "Name"),
    Option("created", "Date created"),
    Option("images", "Most images"),
)
WORK_TEXT = {
    "import": "Importing images",
    "train": "Training",
    "evaluate": "Evaluating",
    "export": "Exporting",
    "probe": "Measuring speed and memory",
}
HINTS: dict[NextStep, str] = {
    "import": "Next: import images",
    "split": "Next: create a split",
    "experiment": "Next: create an experiment",
    "train": "Next: train the model",
    "evaluate": "Next: evaluate the model",
    "export": "Next: export the model",
}
TABS: dict[NextStep, str] = {
    "import": "dataset",
    "split": "split",
    "experiment": "training",
    "train": "training",
    "evaluate": "evaluation",
    "export": "export",
    "done": "training",
}
_TAB_OF_WORK = {"import": "dataset", "evaluate": "evaluation", "export": "export"}


@dataclass(frozen=True)
class WorkLine:
    """The running or queued work of a project."""

    text: str
    is_running: bool


@dataclass(frozen=True)
class ProjectCard:
    """View model of a project card."""

    id: str
    name: str
    description: str
    task_title: str
    num_images: str
    num_experiments: str
    changed: Moment
    work: WorkLine | None
    failed_import: str
    hint: str


@dataclass(frozen=True)
class TaskChoice:
    """A task to choose in the dialog for a new project; `icon` is the path of a drawing."""

    id: str
    title: str
    description: str
    icon: str
    example: str


@dataclass(frozen=True)
class SampleChoice:
    """A sample project to choose."""

    task: str
    task_title: str
    title: str
    description: str
    num_images: str
    licence: str


@dataclass(frozen=True)
class ProjectListContext:
    """Names for `projects/_project_list.html`."""

    projects: list[ProjectCard]
    corrupt: list[CorruptDocument]
    num_corrupt: int
    samples: list[SampleChoice]
    num_projects: int
    num_found: str
    page: int
    num_pages: int
    page_url: str
    is_filtered: bool


@dataclass(frozen=True)
class ProjectsContext(ProjectListContext):
    """Names for `projects/index.html`, which holds the list."""

    tasks: list[TaskChoice]
    search: str
    task: str
    sort_by: str
    task_options: list[Option]
    sort_options: tuple[Option, ...]
    has_many: bool
    section: str = "projects"


@dataclass(frozen=True)
class CardContext:
    """Names for `projects/_project_card.html`."""

    project: ProjectCard


@dataclass(frozen=True)
class ProjectDialogContext:
    """Names for `projects/_project_dialog.html`."""

    action: DialogAction
    project_id: str
    name: str
    description: str
    task: str
    task_title: str
    copy_name: str
    losses: list[str]
    reason: str


def project_list_fragment(page: ProjectListPage) -> Fragment:
    """Return the list without the page around it."""
    return Fragment("projects/_project_list.html", _list_context(page))


def project_card_fragment(extent: ProjectExtent) -> Fragment:
    """Return one project as the list shows it."""
    title = extent.task.title if extent.task else extent.project.task
    return Fragment("projects/_project_card.html", CardContext(describe_card(extent.project, title)))


def project_dialog_fragment(extent: ProjectExtent, action: DialogAction) -> Fragment:
    """Return the dialog that changes, copies or deletes one project."""
    project = extent.project
    context = ProjectDialogContext(
        action=action,
        project_id=project.id,
        name=project.name,
        description=project.description or "",
        task=project.task,
        task_title=extent.task.title if extent.task else project.task,
        copy_name=extent.copy_name,
        losses=_losses(extent),
        reason=_why_kept(project.work),
    )
    return Fragment("projects/_project_dialog.html", context)


@router.head("/")
@router.get("/")
def open_start_page() -> RedirectResponse:
    """Redirect the root to the list of projects."""
    return RedirectResponse("/projects", 307)


@router.head("/projects")
@router.get("/projects")
def show_projects(query: Annotated[ProjectQuery, Query()], studio: StudioDep) -> HTMLResponse:
    """The page of all projects."""
    page = studio.project_list.find_page(query)
    many = page.num_projects > FEW_PROJECTS
    context = ProjectsContext(
        **vars(_list_context(page)),
        tasks=[_task_choice(task) for task in page.tasks],
        search=page.query.search,
        task=page.query.task,
        sort_by=page.query.sort_by,
        task_options=[Option("", "All tasks"), *(Option(task.id, task.title) for task in page.tasks)],
        sort_options=SORT_OPTIONS,
        has_many=many or _is_filtered(page.query),
    )
    return page_response("projects/index.html", context)


@router.get("/projects/project-list")
def show_project_list(request: Request, query: Annotated[ProjectQuery, Query()], studio: StudioDep) -> Response:
    """The list alone, for a page that is open; 304 while nothing has changed."""
    headers = {"etag": f'"{studio.project_list.version()}"', "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return HTMLResponse(render_fragment(project_list_fragment(studio.project_list.find_page(query))), headers=headers)


@router.get("/projects/{pid}/project-dialog")
def show_project_dialog(pid: ProjectPath, action: DialogAction, studio: StudioDep) -> HTMLResponse:
    """The dialog of one project, with what it holds now."""
    extent = studio.project_list.get_extent(pid)
    return HTMLResponse(render_fragment(project_dialog_fragment(extent, action)))


@router.head("/projects/{pid}")
@router.get("/projects/{pid}")
def open_project(pid: ProjectPath, studio: StudioDep) -> RedirectResponse:
    """A project opens where its next step is made; raises NotFoundError rather than lead nowhere."""
    return RedirectResponse(f"/projects/{pid}/{find_tab(studio.project_list.get_steps(pid))}", 307)


def find_tab(steps: ProjectSteps) -> str:
    """Return the tab that the hint of a card links to: that of the running work, else of the next step."""
    if steps.next_step == "wait" and steps.project.work is not None:
        return _TAB_OF_WORK.get(steps.project.work.kind, "training")
    return TABS.get(steps.next_step, "training")


def work_line(work: ProjectWork | None) -> WorkLine | None:
    """Return the running or queued work as text."""
    if work is None:
        return None
    text = WORK_TEXT.get(work.kind, work.kind.capitalize())
    if not work.is_running:
        text = f"{text}: queued"
    elif work.progress.total:
        text = f"{text}, {100 * work.progress.done // work.progress.total} %"
    return WorkLine(text + (f", {work.num_more} more queued" if work.num_more else ""), work.is_running)


def describe_sample(sample: SampleInfo, task_titles: dict[str, str]) -> SampleChoice:
    """Return the view model of a sample project."""
    return SampleChoice(
        task=sample.task,
        task_title=task_titles.get(sample.task, sample.task),
        title=sample.title,
        description=sample.description,
        num_images=f"{sample.num_images:,}",
        licence=sample.licence,
    )


def _list_context(page: ProjectListPage) -> ProjectListContext:
    titles = {task.id: task.title for task in page.tasks}
    query = {name: value for name, value in page.query.model_dump(exclude={"page"}).items() if value}
    return ProjectListContext(
        projects=[describe_card(project, titles.get(project.task, project.task)) for project in page.projects],
        corrupt=page.corrupt[:NAMED_DOCUMENTS],
        num_corrupt=len(page.corrupt),
        samples=[describe_sample(sample, titles) for sample in page.samples],
        num_projects=page.num_projects,
        num_found=f"{page.num_found:,}",
        page=page.query.page,
        num_pages=page.num_pages,
        page_url=f"/projects?{urlencode(query)}&page=",
        is_filtered=_is_filtered(page.query),
    )


def _is_filtered(query: ProjectQuery) -> bool:
    return bool(query.search or query.task)


def describe_card(project: ListedProject, task_title: str) -> ProjectCard:
    """Return the view model of a project card."""
    return ProjectCard(
        id=project.id,
        name=project.name,
        description=_shorten(project.description or ""),
        task_title=task_title,
        num_images=f"{project.num_images:,}",
        num_experiments=f"{project.num_experiments:,}",
        changed=describe_moment(project.changed_at),
        work=work_line(project.work),
        failed_import=_shorten(project.failed_import.message) if project.failed_import else "",
        hint=HINTS.get(project.next_step, "") if project.next_step is not None else "",
    )


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1].rstrip()}…"


def _task_choice(task: TaskInfo) -> TaskChoice:
    kind = get_kind(task.annotation_kind)
    return TaskChoice(task.id, task.title, task.description, kind.icon, kind.example)


def _losses(extent: ProjectExtent) -> list[str]:
    project = extent.project
    counted = (
        (project.num_images, "image", "with their annotations"),
        (extent.num_splits, "split", ""),
        (project.num_experiments, "experiment", "with checkpoints, logs and evaluations"),
        (extent.num_exports, "export", ""),
    )
    return [f"{count(number, noun)} {more}".strip() for number, noun, more in counted if number]


def _why_kept(work: ProjectWork | None) -> str:
    line = work_line(work)
    return (
        ""
        if line is None
        else f"It has unfinished work ({line.text}). Stop it or wait until it is finished, then delete the project."
    )
