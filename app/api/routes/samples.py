"""Sample projects over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from app.api.dependencies import StudioDep
from app.api.json_body import StrictRoute
from app.api.present import present
from app.schemas.envelope import Ok
from app.schemas.samples import SampleList, SampleStarted

router = APIRouter(prefix="/api/samples", tags=["Samples"], route_class=StrictRoute)


@router.get("", response_model=Ok[SampleList], summary="List the samples")
def list_samples(request: Request, studio: StudioDep) -> Response:
    """The images that are included in the installation for each task, and their source."""
    return present(request, studio.samples.list_samples())


@router.post("/{task}", response_model=Ok[SampleStarted], status_code=202, summary="Create a sample project")
def create_sample_project(
    request: Request, task: Annotated[str, Path(max_length=64, description="Id of a task.")], studio: StudioDep
) -> Response:
    """Creates a project immediately. A job then adds its images, a split named `main` and an experiment."""
    return present(request, studio.samples.create_project(task), status_code=202)
