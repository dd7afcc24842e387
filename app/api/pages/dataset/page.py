"""The images of a project, and how they come in. The page only; rules are in core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, Response

from app.api.dependencies import ProjectPath, StudioDep
from app.api.files import serve_file
from app.api.pages.dataset.clearing import clear_form_fragment
from app.api.pages.dataset.content import Content, dataset_content_fragment, make_content
from app.api.pages.dataset.detail import ImagePanel, image_detail_fragment, make_detail, missing_detail
from app.api.pages.dataset.grid import image_grid_fragment
from app.api.pages.dataset.query import DatasetAddress, page_url
from app.api.pages.forms import Option
from app.api.pages.shell import ProjectShell, page_response, project_shell
from app.api.templating import render_fragment
from app.core.exceptions import DatasetNotImportedError, NotFoundError
from app.core.studio import Studio
from app.schemas.dataset_pages import ImportFormatInfo
from app.schemas.format_names import describe_format

router = APIRouter(include_in_schema=False)
AddressQuery = Annotated[DatasetAddress, Query()]


@dataclass(frozen=True)
class DatasetContext:
    """Names for `dataset/index.html`. `detail` is the image that the address names, or None."""

    shell: ProjectShell
    content: Content
    detail: ImagePanel | None
    formats: list[Option]
    max_upload_bytes: int


def _format_option(item: ImportFormatInfo) -> Option:
    """Begin with the name that notes and problems use when they say which format to choose."""
    return Option(item.name, f"{describe_format(item.name)}: {item.title}")


@router.head("/projects/{pid}/dataset")
@router.get("/projects/{pid}/dataset")
def show_dataset(pid: ProjectPath, address: AddressQuery, studio: StudioDep) -> HTMLResponse:
    """The dataset page: images, statistics and the import dialog."""
    shell = project_shell(studio.pages.get_project_page(pid), "dataset")
    page = studio.dataset_pages.get_page(pid, address.to_query())
    formats = [Option("", "Detect automatically"), *map(_format_option, page.formats)]
    context = DatasetContext(
        shell, make_content(pid, address, page), _find_detail(studio, pid, address), formats, page.max_upload_bytes
    )
    return page_response("dataset/index.html", context)


@router.get("/projects/{pid}/dataset/dataset-content")
def show_content(pid: ProjectPath, address: AddressQuery, studio: StudioDep) -> HTMLResponse:
    """The part of the page that an import or a removal changes."""
    page = studio.dataset_pages.get_page(pid, address.to_query())
    return HTMLResponse(render_fragment(dataset_content_fragment(pid, address, page)))


@router.get("/projects/{pid}/dataset/image-grid")
def show_grid(pid: ProjectPath, address: AddressQuery, studio: StudioDep) -> HTMLResponse:
    """The images that match the filters; the address of the page follows."""
    listing = studio.dataset_pages.get_listing(pid, address.to_query())
    url = f"{page_url(pid)}{address.to_text(image=None)}"
    return HTMLResponse(render_fragment(image_grid_fragment(pid, address, listing)), headers={"hx-push-url": url})


@router.get("/projects/{pid}/dataset/image-detail")
def show_image(pid: ProjectPath, address: AddressQuery, studio: StudioDep) -> HTMLResponse:
    """One image with its annotations, facts and neighbours."""
    image = studio.dataset_pages.get_image(pid, address.image or "", address.to_query())
    return HTMLResponse(render_fragment(image_detail_fragment(pid, address, image)))


@router.head("/projects/{pid}/dataset/picture")
@router.get("/projects/{pid}/dataset/picture")
def show_picture(
    request: Request, pid: ProjectPath, studio: StudioDep, image: Annotated[str, Query(min_length=1, max_length=1024)]
) -> Response:
    """The image as a model gets it: in the grey levels of the dataset's scale, on the dataset's background."""
    found = studio.datasets.find_picture(pid, image)
    return Response(found, media_type="image/png") if isinstance(found, bytes) else serve_file(request, found)


@router.get("/projects/{pid}/dataset/mask")
def show_mask(
    pid: ProjectPath,
    studio: StudioDep,
    image: Annotated[str, Query(max_length=1024)],
    annotation: Annotated[int, Query(ge=0)],
) -> Response:
    """The mask of one annotation in the colours of its classes."""
    return Response(studio.datasets.draw_mask(pid, image, annotation), media_type="image/png")


@router.get("/projects/{pid}/dataset/clear-form")
def show_clear_form(pid: ProjectPath, studio: StudioDep) -> HTMLResponse:
    """What goes when the dataset is cleared, or why it cannot be."""
    return HTMLResponse(render_fragment(clear_form_fragment(pid, studio.datasets.describe_removal(pid))))


def _find_detail(studio: Studio, project_id: str, address: DatasetAddress) -> ImagePanel | None:
    if address.image is None:
        return None
    try:
        image = studio.dataset_pages.get_image(project_id, address.image, address.to_query())
    except (NotFoundError, DatasetNotImportedError) as error:
        return missing_detail(error.message)
    return make_detail(project_id, address, image)
