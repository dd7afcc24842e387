"""Datasets and their images over HTTP. Uploads have a module of their own."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.api.dependencies import FilenamePath, ProjectPath, StudioDep
from app.api.files import document_file, serve_file
from app.api.json_body import StrictRoute
from app.api.pages.dataset.content import dataset_content_fragment
from app.api.pages.dataset.detail import image_detail_fragment
from app.api.pages.dataset.grid import image_grid_fragment
from app.api.pages.dataset.query import DatasetAddress, to_address
from app.api.present import present
from app.schemas.datasets import (
    DatasetCleared,
    DatasetSummary,
    ImageInfo,
    ImagePage,
    ImageQuery,
    ImportLocal,
    ImportStarted,
)
from app.schemas.envelope import Ok

router = APIRouter(prefix="/api/datasets/{pid}", tags=["Datasets"], route_class=StrictRoute)


@router.get("", response_model=Ok[DatasetSummary], summary="Get the dataset of a project")
def get_dataset(request: Request, pid: ProjectPath, studio: StudioDep) -> Response:
    """The dataset without its list of images."""
    summary, address = studio.datasets.get_summary(pid), DatasetAddress()
    return present(
        request,
        summary,
        lambda: dataset_content_fragment(pid, address, studio.dataset_pages.get_page(pid, address.to_query())),
    )


@router.delete("", response_model=Ok[DatasetCleared], summary="Clear the dataset of a project")
def clear_dataset(request: Request, pid: ProjectPath, studio: StudioDep) -> Response:
    """Removes the images, the annotations and every split."""
    return present(request, studio.datasets.clear_dataset(pid))


@router.post(
    "/import/local", response_model=Ok[ImportStarted], status_code=202, summary="Import from a folder on this machine"
)
def import_local(request: Request, pid: ProjectPath, body: ImportLocal, studio: StudioDep) -> Response:
    """Runs as a job; GET /api/jobs/{job_id} or the project's events follow it."""
    return present(request, studio.imports.import_local(pid, body), status_code=202)


@router.get("/images", response_model=Ok[ImagePage], summary="List images")
def list_images(
    request: Request, pid: ProjectPath, query: Annotated[ImageQuery, Query()], studio: StudioDep
) -> Response:
    """A page of images, filtered and sorted."""
    return present(
        request,
        studio.datasets.list_images(pid, query),
        lambda: image_grid_fragment(pid, to_address(query), studio.dataset_pages.get_listing(pid, query)),
    )


@router.get("/images/{filename:path}/info", response_model=Ok[ImageInfo], summary="Get the details of an image")
def get_image_info(request: Request, pid: ProjectPath, filename: FilenamePath, studio: StudioDep) -> Response:
    """Size, annotations and subset in every split."""
    address = DatasetAddress(image=filename)
    return present(
        request,
        studio.datasets.image_info(pid, filename),
        lambda: image_detail_fragment(pid, address, studio.dataset_pages.get_image(pid, filename, address.to_query())),
    )


@router.head("/images/{filename:path}", include_in_schema=False)
@router.get(
    "/images/{filename:path}", response_class=Response, responses=document_file("image/*"), summary="Get an image"
)
def get_image(request: Request, pid: ProjectPath, filename: FilenamePath, studio: StudioDep) -> Response:
    """The file as it was imported."""
    return serve_file(request, studio.datasets.image_path(pid, filename))


@router.head("/thumbnails/{filename:path}", include_in_schema=False)
@router.get(
    "/thumbnails/{filename:path}",
    response_class=Response,
    responses=document_file("image/*"),
    summary="Get a thumbnail",
)
def get_thumbnail(request: Request, pid: ProjectPath, filename: FilenamePath, studio: StudioDep) -> Response:
    """The image at 128 px, upright."""
    found = studio.datasets.find_thumbnail(pid, filename)
    return Response(found, media_type="image/jpeg") if isinstance(found, bytes) else serve_file(request, found)
