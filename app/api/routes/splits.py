"""Splits over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field, ValidationError
from starlette.responses import Response

from app.api.dependencies import ProjectPath, SplitPath, StudioDep
from app.api.errors import field_problems
from app.api.json_body import StrictRoute
from app.api.pages.split.cards import split_classes_fragment, split_list_fragment, split_preview_fragment
from app.api.present import present
from app.core.exceptions import ValidationFailedError
from app.schemas.common import QueryModel
from app.schemas.envelope import Ok
from app.schemas.splits import (
    SplitCreate,
    SplitDeleted,
    SplitInfo,
    SplitList,
    SplitPreview,
    SplitPreviewRequest,
    SplitRatios,
)

router = APIRouter(prefix="/api/splits/{pid}", tags=["Splits"], route_class=StrictRoute)


class SplitPreviewQuery(QueryModel):
    """A preview request as query parameters."""

    train: Annotated[float, Field(ge=0.0, le=1.0)] = 0.7
    val: Annotated[float, Field(ge=0.0, le=1.0)] = 0.15
    test: Annotated[float, Field(ge=0.0, le=1.0)] = 0.15
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 42

    def to_request(self) -> SplitPreviewRequest:
        """Return the same as a request; raises ValidationFailedError when the ratios do not go together."""
        try:
            ratios = SplitRatios(train=self.train, val=self.val, test=self.test)
        except ValidationError as error:
            located = [{**problem, "loc": ("query", "ratios", *problem["loc"])} for problem in error.errors()]
            raise ValidationFailedError("Request validation failed.", field_problems(located)) from None
        return SplitPreviewRequest(ratios=ratios, seed=self.seed)


@router.get("", response_model=Ok[SplitList], summary="List splits")
def list_splits(request: Request, pid: ProjectPath, studio: StudioDep) -> Response:
    """Every split of the dataset with its statistics."""
    splits = studio.splits.list_splits(pid)
    return present(request, splits, lambda: split_list_fragment(pid, studio.splits.get_overview(pid)))


@router.post("", response_model=Ok[SplitInfo], summary="Create a split")
def create_split(request: Request, pid: ProjectPath, body: SplitCreate, studio: StudioDep) -> Response:
    """The split is stratified. The same ratios and seed give the same split. A split cannot be changed."""
    split = studio.splits.create_split(pid, body)
    return present(request, split, lambda: split_classes_fragment(split))


@router.get("/preview", response_model=Ok[SplitPreview], summary="Preview a split by query")
def get_split_preview(
    request: Request, pid: ProjectPath, query: Annotated[SplitPreviewQuery, Query()], studio: StudioDep
) -> Response:
    """A preview of a split; nothing is stored."""
    preview = studio.splits.preview_split(pid, query.to_request())
    return present(request, preview, lambda: split_preview_fragment(preview))


@router.post("/preview", response_model=Ok[SplitPreview], summary="Preview a split")
def preview_split(request: Request, pid: ProjectPath, body: SplitPreviewRequest, studio: StudioDep) -> Response:
    """A preview of a split; nothing is stored."""
    preview = studio.splits.preview_split(pid, body)
    return present(request, preview, lambda: split_preview_fragment(preview))


@router.get("/{split_name}", response_model=Ok[SplitInfo], summary="Get a split")
def get_split(request: Request, pid: ProjectPath, split_name: SplitPath, studio: StudioDep) -> Response:
    """Counts per subset and class."""
    split = studio.splits.get_split(pid, split_name)
    return present(request, split, lambda: split_classes_fragment(split))


@router.delete("/{split_name}", response_model=Ok[SplitDeleted], summary="Delete a split")
def delete_split(request: Request, pid: ProjectPath, split_name: SplitPath, studio: StudioDep) -> Response:
    """The response names the experiments that used it."""
    return present(request, studio.splits.delete_split(pid, split_name))
