"""Pretrained weights over HTTP: which are on this machine, and adding a file that was downloaded elsewhere."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Request, UploadFile
from starlette.responses import Response

from app.api.dependencies import StudioDep
from app.api.json_body import StrictRoute
from app.api.present import present
from app.schemas.envelope import Ok
from app.schemas.run_checks import WeightsFileState, WeightsList

router = APIRouter(prefix="/api/weights", tags=["System"], route_class=StrictRoute)


@router.get("", response_model=Ok[WeightsList], summary="List pretrained weights")
def list_weights(request: Request, studio: StudioDep) -> Response:
    """The published weights of every architecture, and whether their file is on this machine."""
    return present(request, studio.weights.list_files())


@router.post("", response_model=Ok[WeightsFileState], summary="Add a file of pretrained weights")
def add_weights(
    request: Request, studio: StudioDep, file: Annotated[UploadFile, File(description="A file of published weights.")]
) -> Response:
    """For machines without internet: a file that was downloaded elsewhere. Its SHA-256 identifies the weights."""
    return present(request, studio.weights.add_file(file.filename or "", file.file))
