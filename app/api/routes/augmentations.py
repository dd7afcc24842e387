"""Augmentations over HTTP: what they do to the user's own images."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.dependencies import ProjectPath, StudioDep
from app.api.json_body import StrictRoute
from app.api.present import present
from app.schemas.augmentations import AugmentationPreview, AugmentationPreviewRequest
from app.schemas.envelope import Ok

router = APIRouter(prefix="/api/training/{pid}", tags=["Training"], route_class=StrictRoute)


@router.post("/augmentation-preview", response_model=Ok[AugmentationPreview], summary="Preview augmentations")
def preview_augmentations(
    request: Request, pid: ProjectPath, body: AugmentationPreviewRequest, studio: StudioDep
) -> Response:
    """A few training images with these transforms applied, randomly as in training. The first request takes longest."""
    return present(request, studio.augmentations.preview(pid, body))
