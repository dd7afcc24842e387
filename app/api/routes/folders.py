"""Folders of this machine over HTTP, to choose the source of an import from."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.api.dependencies import StudioDep
from app.api.json_body import StrictRoute
from app.api.pages.dataset.folder_browser import folder_browser_fragment
from app.api.present import present
from app.schemas.envelope import Ok
from app.schemas.folders import FolderListing

router = APIRouter(prefix="/api/folders", tags=["Datasets"], route_class=StrictRoute)
PathQuery = Annotated[str | None, Query(max_length=4096, description="An absolute path. Default: the first root.")]


@router.get("", response_model=Ok[FolderListing], summary="List a folder of this machine")
def list_folder(request: Request, studio: StudioDep, path: PathQuery = None) -> Response:
    """Its folders with their number of images, its zip files and annotation files.

    AI_STUDIO_BROWSE_ROOTS limits which folders can be listed.
    """
    listing = studio.folders.list_folder(path or None)
    return present(request, listing, lambda: folder_browser_fragment(listing))
