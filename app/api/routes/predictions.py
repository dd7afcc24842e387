"""Predictions over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, File, Query, Request, UploadFile
from starlette.responses import Response

from app.api.dependencies import ExperimentPath, ProjectPath, StudioDep
from app.api.json_body import StrictRoute
from app.api.present import present
from app.core.exceptions import invalid_field
from app.schemas.envelope import Ok
from app.schemas.predict import Prediction, PredictorState, PredictQuery

router = APIRouter(prefix="/api/predict", tags=["Prediction"], route_class=StrictRoute)


def read_image_field(
    file: Annotated[UploadFile | None, File(description="The image.")] = None,
    image: Annotated[UploadFile | None, File(description="The image, as an alternative name of `file`.")] = None,
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
    query: Annotated[PredictQuery, Query()],
    studio: StudioDep,
) -> Response:
    """Runs the best checkpoint of the experiment on an uploaded image. `explain=true` adds a heat map.

    The first request starts a process that loads the model. It stops after five minutes without requests. Images are
    not kept.
    """
    return present(request, studio.predictions.predict(pid, eid, image.file, query))


@router.get("/{pid}/{eid}", response_model=Ok[PredictorState], summary="Get the state of a loaded model")
def get_predictor(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """`off`, `starting` or `ready`."""
    return present(request, studio.predictions.get_state(pid, eid))


@router.delete("/{pid}/{eid}", response_model=Ok[PredictorState], summary="Unload a model")
def unload_predictor(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """Stops its process, even while the model is loading. The next prediction starts it again."""
    return present(request, studio.predictions.unload(pid, eid))
