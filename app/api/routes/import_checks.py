"""Previews of imports over HTTP, and the tables of all their problems."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from app.api.dependencies import JobPath, ProjectPath, StudioDep
from app.api.files import document_file, serve_download, serve_file
from app.api.json_body import StrictRoute
from app.api.pages.dataset.check import check_fragment
from app.api.present import present
from app.core.exceptions import ConflictError
from app.core.studio import Studio
from app.schemas.datasets import CheckState, ImportCheck
from app.schemas.envelope import Ok
from app.schemas.import_report import ImportReport
from app.schemas.jobs import TERMINAL_JOB_STATUSES

router = APIRouter(prefix="/api/datasets/{pid}/import", tags=["Datasets"], route_class=StrictRoute)
PicturePath = Annotated[
    str, Path(pattern=r"^[0-9]{1,4}-[0-9]{1,2}\.jpg$", description="Name of a picture, from `previews` of the report.")
]
# Most previews end within this time, and then one request is all that it takes.
WAIT_S = 5.0
# For a client that asks with "Prefer: respond-async" (RFC 7240), as the page does to show how far it is.
SHORT_WAIT_S = 0.7
POLL_S = 0.1


@router.post(
    "/check",
    response_model=Ok[ImportReport],
    responses={
        202: {
            "model": Ok[CheckState],
            "description": "The preview is still running; GET .../import/check/{job_id} returns its progress.",
        }
    },
    summary="Preview an import",
)
async def check_import(request: Request, pid: ProjectPath, body: ImportCheck, studio: StudioDep) -> Response:
    """The format found, counts, classes, and every problem with its file and how to fix it.

    Runs as a job and replaces an earlier preview of the project. A preview that no client asks for
    during one minute is cancelled. With `Prefer: respond-async` the response comes within a second.
    """
    state = await run_in_threadpool(studio.import_checks.start_check, pid, body)
    state = await _wait(request, studio, pid, state)
    return await run_in_threadpool(_answer, request, studio, pid, state)


@router.get("/check/{job_id}", response_model=Ok[CheckState], summary="Follow a preview")
def get_check(request: Request, pid: ProjectPath, job_id: JobPath, studio: StudioDep) -> Response:
    """Its progress, and its report when it is finished. POST /api/jobs/{job_id}/cancel cancels it."""
    state = studio.import_checks.get_state(pid, job_id)
    return present(request, state, lambda: check_fragment(pid, studio.import_checks, state))


@router.get(
    "/check/{job_id}/problems",
    response_class=Response,
    responses=document_file("text/csv"),
    summary="Get every problem of a preview",
)
def get_check_problems(pid: ProjectPath, job_id: JobPath, studio: StudioDep) -> Response:
    """A CSV table with file, message, fix and severity. The report itself lists only the first problems."""
    return serve_download(studio.import_checks.problems_path(pid, job_id), "problems.csv", "text/csv")


@router.get(
    "/check/{job_id}/previews/{picture}",
    response_class=Response,
    responses=document_file("image/jpeg"),
    summary="Get a picture of a preview",
)
def get_check_preview(
    request: Request, pid: ProjectPath, job_id: JobPath, picture: PicturePath, studio: StudioDep
) -> Response:
    """One of the small pictures that `previews` of the report names."""
    return serve_file(request, studio.import_checks.preview_path(pid, job_id, picture))


@router.get(
    "/problems", response_class=Response, responses=document_file("text/csv"), summary="Get every problem of the import"
)
def get_import_problems(pid: ProjectPath, studio: StudioDep) -> Response:
    """A CSV table of everything that the import left out or warned about. For a failed import: of the failed one."""
    return serve_download(studio.imports.problems_path(pid), "import-problems.csv", "text/csv")


async def _wait(request: Request, studio: Studio, project_id: str, state: CheckState) -> CheckState:
    """Return the state at the end of the preview, or after a moment. A client that hangs up takes its run with it."""
    now_s = asyncio.get_running_loop().time
    is_impatient = "respond-async" in request.headers.get("prefer", "")
    deadline_s = now_s() + (SHORT_WAIT_S if is_impatient else WAIT_S)
    while state.status not in TERMINAL_JOB_STATUSES and now_s() < deadline_s:
        await asyncio.sleep(POLL_S)
        if await request.is_disconnected():
            await run_in_threadpool(studio.jobs.cancel_job, state.job_id)
            break
        state = await run_in_threadpool(studio.import_checks.get_state, project_id, state.job_id)
    return state


def _answer(request: Request, studio: Studio, project_id: str, state: CheckState) -> Response:
    if state.report is None and state.status in TERMINAL_JOB_STATUSES:
        msg = f"The preview {state.job_id} was cancelled or replaced by a newer one of this project."
        raise ConflictError(msg)
    status_code = 202 if state.report is None else 200
    return present(
        request,
        state.report or state,
        lambda: check_fragment(project_id, studio.import_checks, state),
        status_code=status_code,
    )
