"""Which images are for training, for validation and for the final test. The page only; rules are in core."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from app.api.dependencies import ProjectPath, StudioDep
from app.api.pages.shell import ProjectShell, page_response, project_shell
from app.api.pages.split_cards import SplitList, make_split_list, split_list_fragment
from app.api.templating import render_fragment

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class SplitContext:
    """Names for `split/index.html`."""

    shell: ProjectShell
    listing: SplitList


@router.head("/projects/{pid}/split")
@router.get("/projects/{pid}/split")
def show_split(pid: ProjectPath, studio: StudioDep) -> HTMLResponse:
    """Which images are for training, for validation and for the final test."""
    shell = project_shell(studio.pages.get_project_page(pid), "split")
    return page_response("split/index.html", SplitContext(shell, make_split_list(pid, studio.splits.get_overview(pid))))


@router.get("/projects/{pid}/split/split-list")
def show_splits(pid: ProjectPath, studio: StudioDep) -> HTMLResponse:
    """The splits, or what to do for the first one."""
    return HTMLResponse(render_fragment(split_list_fragment(pid, studio.splits.get_overview(pid))))
