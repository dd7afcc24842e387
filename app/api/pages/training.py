"""Experiments: their settings, their runs and what came of them. The page only; rules are in core."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from app.api.dependencies import ProjectPath, StudioDep
from app.api.pages.shell import ProjectShell, page_response, project_shell

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class TrainingContext:
    """Names for `training/index.html`."""

    shell: ProjectShell


@router.head("/projects/{pid}/training")
@router.get("/projects/{pid}/training")
def show_training(pid: ProjectPath, studio: StudioDep) -> HTMLResponse:
    """Experiments: their settings, their runs and what came of them."""
    shell = project_shell(studio.pages.get_project_page(pid), "training")
    return page_response("training/index.html", TrainingContext(shell))
