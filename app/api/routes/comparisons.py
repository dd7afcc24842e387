"""Experiments side by side over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.api.dependencies import ProjectPath, StudioDep
from app.api.json_body import StrictRoute
from app.api.pages.compare.comparison import comparison_fragment
from app.api.present import present
from app.schemas.comparison import CompareQuery, Comparison
from app.schemas.envelope import Ok

router = APIRouter(prefix="/api/compare", tags=["Comparison"], route_class=StrictRoute)


@router.get("/{pid}", response_model=Ok[Comparison], summary="Compare experiments")
def compare_experiments(
    request: Request, pid: ProjectPath, query: Annotated[CompareQuery, Query()], studio: StudioDep
) -> Response:
    """Curves, settings that differ, metrics with intervals, a paired test, and images that only one gets right."""
    comparison = studio.comparisons.compare(pid, query)
    return present(
        request,
        comparison,
        lambda: comparison_fragment(pid, query, comparison, studio.comparisons.name_starts(pid, query.experiments)),
    )
