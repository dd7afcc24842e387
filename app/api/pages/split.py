"""Which images are for training, for validation and for the final test. The page only; rules are in core."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from app.api.dependencies import ProjectPath, StudioDep
from app.api.pages.shell import ProjectShell, page_response, project_shell

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class SplitContext:
    """Names for `split/index.html`."""

    shell: ProjectShell


@router.head("/projects/{pid}/split")
@router.get("/projects/{pid}/split")
def show_split(pid: ProjectPath, studio: StudioDep) -> HTMLResponse:
    """Which images are for training, for validation and for the final test."""
    shell = project_shell(studio.pages.get_project_page(pid), "split")
    return page_response("split/index.html", SplitContext(shell))
