"""Evaluations and their results over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.api.dependencies import ExperimentPath, FilenamePath, ProjectPath, StudioDep
from app.api.files import document_file, stream_download
from app.api.json_body import StrictRoute
from app.api.pages.evaluation.detail import result_detail_fragment
from app.api.pages.evaluation.page import read_report
from app.api.pages.evaluation.query import EvaluationAddress
from app.api.pages.evaluation.report import evaluation_report_fragment
from app.api.pages.evaluation.results import result_grid_fragment
from app.api.present import present
from app.schemas.envelope import Ok
from app.schemas.evaluation import (
    CheckpointList,
    EvaluationDeleted,
    EvaluationRecord,
    EvaluationRequest,
    EvaluationView,
    ResultInfo,
    ResultPage,
    ResultQuery,
)

router = APIRouter(prefix="/api/evaluation/{pid}/{eid}", tags=["Evaluation"], route_class=StrictRoute)


@router.post("", response_model=Ok[EvaluationRecord], summary="Evaluate an experiment")
def start_evaluation(
    request: Request,
    pid: ProjectPath,
    eid: ExperimentPath,
    studio: StudioDep,
    body: EvaluationRequest | None = None,
) -> Response:
    """Runs as a job on all images of the chosen subsets together. Replaces an earlier evaluation."""
    return present(request, studio.evaluations.start_evaluation(pid, eid, body or EvaluationRequest()))


@router.get("", response_model=Ok[EvaluationView], summary="Get the evaluation of an experiment")
def get_evaluation(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """Its state, and when it is completed the metrics over all images."""
    view, address = studio.evaluations.get_evaluation(pid, eid), EvaluationAddress(experiment=eid)
    return present(request, view, lambda: evaluation_report_fragment(read_report(studio, pid, address)))


@router.delete("", response_model=Ok[EvaluationDeleted], summary="Delete the evaluation of an experiment")
def reset_evaluation(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """Removes the record and the results."""
    return present(request, studio.evaluations.reset_evaluation(pid, eid))


@router.get("/results", response_model=Ok[ResultPage], summary="List results per image")
def list_results(
    request: Request,
    pid: ProjectPath,
    eid: ExperimentPath,
    query: Annotated[ResultQuery, Query()],
    studio: StudioDep,
) -> Response:
    """A page of results, filtered and sorted."""
    address = EvaluationAddress.from_query(eid, query)
    return present(
        request,
        studio.evaluation_results.list_results(pid, eid, query),
        lambda: result_grid_fragment(pid, address, studio.evaluation_pages.list_results(pid, eid, query)),
    )


@router.get(
    "/results.csv",
    response_class=Response,
    responses=document_file("text/csv"),
    summary="Download results image by image",
)
def download_results(
    pid: ProjectPath, eid: ExperimentPath, query: Annotated[ResultQuery, Query()], studio: StudioDep
) -> Response:
    """All matching results, not only one page, with the name of each image in the source."""
    name, pieces = studio.evaluation_results.write_csv(pid, eid, query)
    return stream_download(pieces, name, "text/csv; charset=utf-8")


@router.get("/results/{filename:path}/info", response_model=Ok[ResultInfo], summary="Get the result of an image")
def get_result(
    request: Request,
    pid: ProjectPath,
    eid: ExperimentPath,
    filename: FilenamePath,
    query: Annotated[ResultQuery, Query()],
    studio: StudioDep,
) -> Response:
    """The result with its image, and the names of the previous and next image in the order of the query."""
    address = EvaluationAddress.from_query(eid, query).change(image=filename)
    return present(
        request,
        studio.evaluation_results.get_result(pid, eid, filename, query),
        lambda: result_detail_fragment(pid, address, studio.evaluation_pages.get_result(pid, eid, filename, query)),
    )


@router.get("/checkpoints", response_model=Ok[CheckpointList], summary="List the checkpoints that exist")
def list_checkpoints(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """The checkpoints that can be evaluated or exported."""
    return present(request, studio.evaluations.list_checkpoints(pid, eid))
