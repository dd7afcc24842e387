"""Health, devices, workspace and jobs over HTTP."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.dependencies import StudioDep
from app.api.json_body import StrictRoute
from app.api.present import present
from app.schemas.envelope import Ok
from app.schemas.jobs import JobList
from app.schemas.system import DeviceList, Health, WorkspaceHealth

router = APIRouter(prefix="/api/system", tags=["System"], route_class=StrictRoute)


@router.head("/health", include_in_schema=False)
@router.get("/health", response_model=Ok[Health], summary="Check that the server is running")
def get_health(request: Request, studio: StudioDep) -> Response:
    """Version, uptime and memory of the server."""
    return present(request, studio.system.get_health())


@router.get("/devices", response_model=Ok[DeviceList], summary="List devices")
def list_devices(request: Request, studio: StudioDep) -> Response:
    """The devices that runs can use."""
    return present(request, studio.system.list_devices())


@router.get("/workspace", response_model=Ok[WorkspaceHealth], summary="Get the state of the workspace")
def get_workspace(request: Request, studio: StudioDep) -> Response:
    """Free space, and documents that could not be read."""
    return present(request, studio.system.get_workspace())


@router.get("/jobs", response_model=Ok[JobList], summary="List jobs")
def list_jobs(request: Request, studio: StudioDep) -> Response:
    """Newest first."""
    return present(request, studio.jobs.list_jobs())
