"""Projects over HTTP."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.dependencies import ProjectPath, StudioDep
from app.api.json_body import StrictRoute
from app.api.pages.projects.page import project_card_fragment, project_list_fragment
from app.api.present import EncodedOnce, present
from app.schemas.envelope import Ok
from app.schemas.project_list import ProjectQuery
from app.schemas.projects import ProjectCreate, ProjectDeleted, ProjectList, ProjectSummary, ProjectUpdate

router = APIRouter(prefix="/api/projects", tags=["Projects"], route_class=StrictRoute)
# The service answers with the same list until something changes, and encoding it is half the time of an answer.
_encode_list = EncodedOnce()


@router.get("", response_model=Ok[ProjectList], summary="List projects")
def list_projects(request: Request, studio: StudioDep) -> Response:
    """All projects, most recently changed first, and project files that cannot be read."""
    projects = studio.projects.list_projects()
    return present(
        request,
        projects,
        lambda: project_list_fragment(studio.project_list.find_page(ProjectQuery())),
        encode=_encode_list,
    )


@router.post("", response_model=Ok[ProjectSummary], summary="Create a project")
def create_project(request: Request, body: ProjectCreate, studio: StudioDep) -> Response:
    """A project holds one dataset of one task, its splits, experiments and exports."""
    project = studio.projects.create_project(body)
    return present(request, project, lambda: project_card_fragment(studio.project_list.get_extent(project.id)))


@router.get("/{pid}", response_model=Ok[ProjectSummary], summary="Get a project")
def get_project(request: Request, pid: ProjectPath, studio: StudioDep) -> Response:
    """The project with its counts."""
    project = studio.projects.get_project(pid)
    return present(request, project, lambda: project_card_fragment(studio.project_list.get_extent(pid)))


@router.patch("/{pid}", response_model=Ok[ProjectSummary], summary="Rename or describe a project")
def update_project(request: Request, pid: ProjectPath, body: ProjectUpdate, studio: StudioDep) -> Response:
    """Fields that are not given stay unchanged."""
    project = studio.projects.update_project(pid, body)
    return present(request, project, lambda: project_card_fragment(studio.project_list.get_extent(pid)))


@router.delete("/{pid}", response_model=Ok[ProjectDeleted], summary="Delete a project")
def delete_project(request: Request, pid: ProjectPath, studio: StudioDep) -> Response:
    """Also deletes its files. Refused while one of its jobs is queued or running."""
    return present(request, studio.projects.delete_project(pid))
