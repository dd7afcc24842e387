"""One image in, the prediction of a trained model out. The page only; rules are in core."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from app.api.dependencies import ProjectPath, StudioDep
from app.api.pages.shell import ProjectShell, page_response, project_shell

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class PlaygroundContext:
    """Names for `playground/index.html`."""

    shell: ProjectShell


@router.head("/projects/{pid}/playground")
@router.get("/projects/{pid}/playground")
def show_playground(pid: ProjectPath, studio: StudioDep) -> HTMLResponse:
    """One image in, the prediction of a trained model out."""
    shell = project_shell(studio.pages.get_project_page(pid), "playground")
    return page_response("playground/index.html", PlaygroundContext(shell))
