"""Single jobs over HTTP."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.dependencies import JobPath, StudioDep
from app.api.json_body import StrictRoute
from app.api.present import present
from app.schemas.envelope import Ok
from app.schemas.jobs import JobCancellation, JobSummary

router = APIRouter(prefix="/api/jobs", tags=["Jobs"], route_class=StrictRoute)


@router.get("/{job_id}", response_model=Ok[JobSummary], summary="Get a job")
def get_job(request: Request, job_id: JobPath, studio: StudioDep) -> Response:
    """Its state and progress, and when it has ended its result or error."""
    return present(request, studio.jobs.get_job(job_id))


@router.post("/{job_id}/cancel", response_model=Ok[JobCancellation], summary="Cancel a job")
def cancel_job(request: Request, job_id: JobPath, studio: StudioDep) -> Response:
    """The job stops within ten seconds."""
    return present(request, studio.jobs.cancel_job(job_id))
