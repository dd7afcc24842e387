"""What surrounds the content of a project's page: name, task, tabs, and where its event stream begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from starlette.responses import HTMLResponse

from app.api.templating import Fragment, TemplateContext, render_fragment
from app.schemas.projects import ProjectPage

TabId = Literal["dataset", "split", "training", "evaluation", "export", "compare", "playground"]
_TAB_TITLES: dict[TabId, str] = {
    "dataset": "Dataset",
    "split": "Split",
    "training": "Training",
    "evaluation": "Evaluation",
    "export": "Export",
    "compare": "Compare",
    "playground": "Playground",
}
_APART: TabId = "compare"


@dataclass(frozen=True)
class Tab:
    """A page of the project; `is_apart` begins the group that is no step of the way."""

    title: str
    url: str
    is_current: bool
    is_apart: bool


@dataclass(frozen=True)
class ProjectShell:
    """Names for `project.html`, which every page of a project extends."""

    project_id: str
    project_name: str
    task_id: str
    task_title: str
    annotation_kind: str
    seq: int
    title: str
    tabs: tuple[Tab, ...]


def project_shell(page: ProjectPage, current: TabId) -> ProjectShell:
    """Return the frame of one page of a project."""
    project, task = page.project, page.task
    tabs = tuple(
        Tab(title, f"/projects/{project.id}/{tab}", tab == current, tab == _APART) for tab, title in _TAB_TITLES.items()
    )
    return ProjectShell(
        project_id=project.id,
        project_name=project.name,
        task_id=project.task,
        task_title=task.title if task else project.task,
        annotation_kind=task.annotation_kind if task else "",
        seq=page.seq,
        title=_TAB_TITLES[current],
        tabs=tabs,
    )


def page_response(template: str, context: TemplateContext) -> HTMLResponse:
    """Return a whole page."""
    return HTMLResponse(render_fragment(Fragment(template, context)))
