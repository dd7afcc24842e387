"""Two or more experiments side by side. The page only; rules are in core."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from app.api.dependencies import ProjectPath, StudioDep
from app.api.pages.shell import ProjectShell, page_response, project_shell

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class CompareContext:
    """Names for `compare/index.html`."""

    shell: ProjectShell


@router.head("/projects/{pid}/compare")
@router.get("/projects/{pid}/compare")
def show_compare(pid: ProjectPath, studio: StudioDep) -> HTMLResponse:
    """Two or more experiments side by side."""
    shell = project_shell(studio.pages.get_project_page(pid), "compare")
    return page_response("compare/index.html", CompareContext(shell))
