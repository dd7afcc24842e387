"""Predictions over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, File, Request, UploadFile
from starlette.responses import Response

from app.api.dependencies import ExperimentPath, ProjectPath, StudioDep
from app.api.json_body import StrictRoute
from app.api.present import present
from app.core.exceptions import invalid_field
from app.schemas.envelope import Ok
from app.schemas.predict import Prediction

router = APIRouter(prefix="/api/predict", tags=["Prediction"], route_class=StrictRoute)


def read_image_field(
    file: Annotated[UploadFile | None, File(description="The image.")] = None,
    image: Annotated[UploadFile | None, File(description="The same under another name.")] = None,
) -> UploadFile:
    """Return the image that was sent; raises ValidationFailedError when there is none."""
    sent = file or image
    if sent is None:
        raise invalid_field("file", "Send an image.")
    return sent


@router.post("/{pid}/{eid}", response_model=Ok[Prediction], summary="Predict one image")
def predict(
    request: Request,
    pid: ProjectPath,
    eid: ExperimentPath,
    image: Annotated[UploadFile, Depends(read_image_field)],
    studio: StudioDep,
) -> Response:
    """Image in, predictions out, by the best checkpoint of the experiment."""
    return present(request, studio.predictions.predict(pid, eid, image.file))
