"""Which images are for training, for validation and for the final test. The page only; rules are in core."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from app.api.dependencies import ProjectPath, StudioDep
from app.api.pages.shell import ProjectShell, page_response, project_shell
from app.api.pages.split.cards import COLOURS, TITLES, SplitCards, make_split_list, split_list_fragment
from app.api.templating import render_fragment
from app.schemas.splits import SplitPreviewRequest

router = APIRouter(include_in_schema=False)
SHARE_HELP = {"train": "fits the model", "val": "chooses the best epoch", "test": "measures the final accuracy"}


@dataclass(frozen=True)
class ShareField:
    """One share of the form: `percent` as it is moved, `ratio` as it is sent."""

    subset: str
    title: str
    help: str
    percent: int
    minimum: int
    ratio: float
    colour: int


@dataclass(frozen=True)
class SeedField:
    """Default and limits of the seed field."""

    value: int
    minimum: int
    maximum: int


@dataclass(frozen=True)
class SplitContext:
    """Names for `split/index.html`."""

    shell: ProjectShell
    listing: SplitCards
    shares: tuple[ShareField, ...]
    seed: SeedField


@router.head("/projects/{pid}/split")
@router.get("/projects/{pid}/split")
def show_split(pid: ProjectPath, studio: StudioDep) -> HTMLResponse:
    """Which images are for training, for validation and for the final test."""
    shell = project_shell(studio.pages.get_project_page(pid), "split")
    listing = make_split_list(pid, studio.splits.get_overview(pid))
    return page_response("split/index.html", SplitContext(shell, listing, make_share_fields(), make_seed_field()))


def make_share_fields() -> tuple[ShareField, ...]:
    """Return the default percentages of a new split; training needs at least 1 %."""
    ratios = SplitPreviewRequest().ratios.model_dump()
    return tuple(
        ShareField(
            subset=subset,
            title=TITLES[subset],
            help=SHARE_HELP[subset],
            percent=round(ratio * 100),
            minimum=1 if subset == "train" else 0,
            ratio=ratio,
            colour=COLOURS[subset],
        )
        for subset, ratio in ratios.items()
    )


def make_seed_field() -> SeedField:
    """Return the default seed of a new split, and its limits."""
    limits = SplitPreviewRequest.model_json_schema()["properties"]["seed"]
    return SeedField(limits["default"], limits["minimum"], limits["maximum"])


@router.get("/projects/{pid}/split/split-list")
def show_splits(pid: ProjectPath, studio: StudioDep) -> HTMLResponse:
    """The list of splits, or an empty state."""
    return HTMLResponse(render_fragment(split_list_fragment(pid, studio.splits.get_overview(pid))))
