"""The images of a project, and how they come in. The page only; rules are in core."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse

from app.api.dependencies import ProjectPath, StudioDep
from app.api.pages.shell import ProjectShell, page_response, project_shell

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class DatasetContext:
    """Names for `dataset/index.html`."""

    shell: ProjectShell


@router.head("/projects/{pid}")
@router.get("/projects/{pid}")
def open_project(pid: ProjectPath, studio: StudioDep) -> RedirectResponse:
    """A project begins with its images; raises NotFoundError rather than lead nowhere."""
    return RedirectResponse(f"/projects/{studio.projects.get_project(pid).id}/dataset", 307)


@router.head("/projects/{pid}/dataset")
@router.get("/projects/{pid}/dataset")
def show_dataset(pid: ProjectPath, studio: StudioDep) -> HTMLResponse:
    """The images of a project, and how they come in."""
    shell = project_shell(studio.pages.get_project_page(pid), "dataset")
    return page_response("dataset/index.html", DatasetContext(shell))
