"""How good a trained model is, and on which images it fails. The page only; rules are in core."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from app.api.dependencies import ProjectPath, StudioDep
from app.api.pages.shell import ProjectShell, page_response, project_shell

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class EvaluationContext:
    """Names for `evaluation/index.html`."""

    shell: ProjectShell


@router.head("/projects/{pid}/evaluation")
@router.get("/projects/{pid}/evaluation")
def show_evaluation(pid: ProjectPath, studio: StudioDep) -> HTMLResponse:
    """How good a trained model is, and on which images it fails."""
    shell = project_shell(studio.pages.get_project_page(pid), "evaluation")
    return page_response("evaluation/index.html", EvaluationContext(shell))
