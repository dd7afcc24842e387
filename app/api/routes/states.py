"""Stages and assets of a project over HTTP. The event log is in `streams`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from app.api.dependencies import ProjectPath, StudioDep
from app.api.files import OCTET_STREAM, document_file, serve_file
from app.api.json_body import StrictRoute
from app.api.pages.start.page import first_steps_fragment
from app.api.present import present
from app.schemas.common import StrictModel
from app.schemas.envelope import Ok
from app.schemas.events import Artifact, ProjectState

router = APIRouter(prefix="/api/projects/{pid}", tags=["Events"], route_class=StrictRoute)
AssetPath = Annotated[str, Path(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._-]+$", description="Its id.")]


class ArtifactList(StrictModel):
    """The assets of a project."""

    artifacts: list[Artifact]


@router.get("/state", response_model=Ok[ProjectState], summary="Get the state of a project")
def get_state(request: Request, pid: ProjectPath, studio: StudioDep) -> Response:
    """Its stages, what needs a confirmation, and the sequence number to follow the events from."""
    state = studio.states.get_state(pid)
    return present(request, state, lambda: first_steps_fragment(studio.project_list.get_steps(pid)))


@router.post("/confirm", response_model=Ok[ProjectState], summary="Confirm a waiting stage")
def confirm(request: Request, pid: ProjectPath, studio: StudioDep) -> Response:
    """Returns 409 if no stage is waiting."""
    studio.states.confirm(pid)
    return present(request, studio.states.get_state(pid))


@router.get("/assets", response_model=Ok[ArtifactList], summary="List assets")
def list_assets(request: Request, pid: ProjectPath, studio: StudioDep) -> Response:
    """Results of the project, each with its address."""
    return present(request, ArtifactList(artifacts=studio.states.list_assets(pid)))


@router.head("/assets/{asset_id}", include_in_schema=False)
@router.get(
    "/assets/{asset_id}", response_class=Response, responses=document_file(OCTET_STREAM), summary="Fetch an asset"
)
def get_asset(request: Request, pid: ProjectPath, asset_id: AssetPath, studio: StudioDep) -> Response:
    """The content of the file."""
    return serve_file(request, studio.states.asset_path(pid, asset_id))
