"""Two or more experiments side by side. The page only; rules are in core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import HTMLResponse

from app.api.dependencies import ProjectPath, StudioDep
from app.api.pages.compare.comparison import Result, build_result
from app.api.pages.compare.selection import (
    Asked,
    ExperimentChoice,
    Selection,
    describe_problem,
    list_choices,
    read_address,
    select,
)
from app.api.pages.shell import ProjectShell, page_response, project_shell
from app.core.studio import Studio
from app.schemas.comparison import MIN_COMPARED

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class CompareContext:
    """Names for `compare/index.html`. `is_alone`: too few are trained; `result` is None while `problem` asks."""

    shell: ProjectShell
    url: str
    choices: tuple[ExperimentChoice, ...]
    num_trained: int
    is_alone: bool
    reference: str
    metric: str
    num_gone: int
    problem: str
    result: Result | None


@router.head("/projects/{pid}/compare")
@router.get("/projects/{pid}/compare")
def show_compare(pid: ProjectPath, asked: Annotated[Asked, Depends(read_address)], studio: StudioDep) -> HTMLResponse:
    """Two or more experiments side by side."""
    shell = project_shell(studio.pages.get_project_page(pid), "compare")
    records = studio.experiments.list_experiments(pid).experiments
    selection, num_gone = select(pid, asked, records)
    problem = describe_problem(selection)
    result = None if problem else _compare(studio, pid, selection)
    num_trained = sum(record.current_run_id is not None for record in records)
    context = CompareContext(
        shell=shell,
        url=selection.url,
        choices=list_choices(selection, records),
        num_trained=num_trained,
        is_alone=num_trained < MIN_COMPARED,
        reference=next(iter(selection.ordered), ""),
        metric=selection.metric,
        num_gone=num_gone,
        problem=problem,
        result=result,
    )
    return page_response("compare/index.html", context)


def _compare(studio: Studio, project_id: str, selection: Selection) -> Result:
    comparison = studio.comparisons.compare(project_id, selection.query())
    return build_result(selection, comparison, studio.comparisons.name_starts(project_id, selection.experiments))
