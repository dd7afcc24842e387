"""Experiments: their settings, their runs and what came of them. The page only; rules are in core."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from app.api.dependencies import ProjectPath, StudioDep
from app.api.pages.shell import ProjectShell, page_response, project_shell
from app.api.pages.training_results import ExperimentQuery, ResultsView, results_view

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class TrainingContext:
    """Names for `training/index.html`."""

    shell: ProjectShell
    results: ResultsView | None


@router.head("/projects/{pid}/training")
@router.get("/projects/{pid}/training")
def show_training(pid: ProjectPath, studio: StudioDep, experiment: ExperimentQuery | None = None) -> HTMLResponse:
    """Experiments: their settings, their runs and what came of them."""
    shell = project_shell(studio.pages.get_project_page(pid), "training")
    results = results_view(studio.training_results.get_results(pid, experiment)) if experiment else None
    return page_response("training/index.html", TrainingContext(shell, results))
