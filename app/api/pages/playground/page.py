"""One image in, the prediction of a trained model out. The page only; rules are in core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query
from pydantic import BeforeValidator
from starlette.responses import HTMLResponse

from app.annotations.registry import get_kind
from app.api.dependencies import ProjectPath, StudioDep
from app.api.pages.address_fields import PageNumber
from app.api.pages.forms import Option
from app.api.pages.overlays import Picture
from app.api.pages.run_words import show_best
from app.api.pages.shell import ProjectShell, page_response, project_shell
from app.api.pages.subsets import SUBSET_TITLES
from app.api.templating import Fragment, render_fragment
from app.schemas.datasets import ImagePage, ImageQuery
from app.schemas.predict import AskableModel

router = APIRouter(include_in_schema=False)

PICKER_SIZE = 48
Subset = Literal["test", "val", "train", "all"]
SUBSETS = (*(Option(name, SUBSET_TITLES[name]) for name in ("test", "val", "train")), Option("all", "All"))
Text = Annotated[str, Query(max_length=1024)]


@dataclass(frozen=True)
class PlaygroundContext:
    """Names for `playground/index.html`. `is_missing`: the address names a model that cannot be asked."""

    shell: ProjectShell
    models: tuple[Option, ...]
    experiment_id: str
    image: str
    image_name: str
    is_missing: bool
    explains_values: bool


@dataclass(frozen=True)
class ImagePickerContext:
    """Names for `playground/_image_picker.html`. At an end of the list the address of what would follow is ""."""

    project_id: str
    experiment_id: str
    pictures: tuple[tuple[Picture, str], ...]
    page: int
    num_pages: int
    num_images: int
    search: str
    subset: str
    subsets: tuple[Option, ...]
    previous_url: str
    next_url: str


@router.head("/projects/{pid}/playground")
@router.get("/projects/{pid}/playground")
def show_playground(pid: ProjectPath, studio: StudioDep, experiment: Text = "", image: Text = "") -> HTMLResponse:
    """One image in, the prediction of a trained model out."""
    shell = project_shell(studio.pages.get_project_page(pid), "playground")
    models = studio.predictions.list_models(pid)
    askable = [model.id for model in models if not model.reason]
    context = PlaygroundContext(
        shell=shell,
        models=tuple(_describe_model(model) for model in reversed(models)) if askable else (),
        experiment_id=experiment if experiment in askable else next(reversed(askable), ""),
        image=image,
        image_name=studio.source_names.of_project(pid)(image),
        is_missing=bool(experiment) and experiment not in askable,
        explains_values=bool(shell.annotation_kind) and get_kind(shell.annotation_kind).explains == "value",
    )
    return page_response("playground/index.html", context)


@router.get("/projects/{pid}/playground/image-picker")
def show_image_picker(
    pid: ProjectPath,
    studio: StudioDep,
    experiment: Text = "",
    subset: Annotated[Subset, BeforeValidator(lambda value: value or "test")] = "test",
    search: Text = "",
    page: PageNumber = 1,
) -> HTMLResponse:
    """The images of the dataset, to take one of."""
    splits = {model.id: model.split_name for model in studio.predictions.list_models(pid)}
    split_name = splits.get(experiment)
    query = ImageQuery(
        page=page,
        page_size=PICKER_SIZE,
        search=search or None,
        split_name=split_name if subset != "all" else None,
        subset=subset if subset != "all" and split_name else None,
    )
    images = studio.datasets.find_images(pid, query)
    return HTMLResponse(render_fragment(image_picker_fragment(pid, experiment, images, search, subset)))


def image_picker_fragment(project_id: str, experiment_id: str, images: ImagePage, search: str, subset: str) -> Fragment:
    """Return a page of images to take one of."""
    state = {"experiment": experiment_id, "subset": subset, "search": search}
    url = f"/projects/{project_id}/playground/image-picker?{urlencode(state)}&page="
    context = ImagePickerContext(
        project_id=project_id,
        experiment_id=experiment_id,
        pictures=tuple(
            (
                Picture(
                    f"/api/datasets/{project_id}/thumbnails/{quote(item.filename, safe='')}",
                    "",
                    item.width,
                    item.height,
                    caption=item.source_name or item.filename,
                    href=playground_url(project_id, experiment_id, item.filename),
                ),
                item.filename,
            )
            for item in images.items
        ),
        page=images.page,
        num_pages=max(1, images.total_pages),
        num_images=images.total_items,
        search=search,
        subset=subset,
        subsets=SUBSETS,
        previous_url=f"{url}{images.page - 1}" if images.page > 1 else "",
        next_url=f"{url}{images.page + 1}" if images.page < images.total_pages else "",
    )
    return Fragment("playground/_image_picker.html", context)


def playground_url(project_id: str, experiment_id: str, filename: str = "") -> str:
    """Return the address of the playground with a model and, where one is named, an image of the dataset."""
    state = {"experiment": experiment_id} | ({"image": filename} if filename else {})
    return f"/projects/{project_id}/playground?{urlencode(state)}"


def _describe_model(model: AskableModel) -> Option:
    best = show_best(model.best_metric)
    return Option(model.id, f"{model.name} · {best}" if best else model.name, model.reason)
