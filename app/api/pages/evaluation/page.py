"""How good a trained model is, and on which images it fails. The page only; rules are in core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse, Response

from app.annotations.registry import get_kind
from app.api.dependencies import ProjectPath, StudioDep
from app.api.pages.evaluation.detail import Detail, make_detail, result_detail_fragment
from app.api.pages.evaluation.listing import ExperimentItem, evaluation_list_fragment, make_items
from app.api.pages.evaluation.matrix import confusion_matrix_fragment
from app.api.pages.evaluation.pictures import class_scores_fragment
from app.api.pages.evaluation.query import EvaluationAddress, page_url
from app.api.pages.evaluation.report import Report, evaluation_report_fragment, make_report
from app.api.pages.evaluation.results import result_grid_fragment
from app.api.pages.shell import ProjectShell, page_response, project_shell
from app.api.templating import render_fragment
from app.core.exceptions import NotFoundError
from app.core.studio import Studio
from app.schemas.evaluation_pages import ResultView, SelectedEvaluation

router = APIRouter(include_in_schema=False)
AddressQuery = Annotated[EvaluationAddress, Query()]


@dataclass(frozen=True)
class EvaluationContext:
    """Names for `evaluation/index.html`. Without an experiment that has completed there is no report."""

    shell: ProjectShell
    project_id: str
    items: list[ExperimentItem]
    more: str
    report: Report | None


@dataclass(frozen=True)
class ImageContext:
    """Names for `evaluation/image.html`."""

    shell: ProjectShell
    detail: Detail


@router.head("/projects/{pid}/evaluation")
@router.get("/projects/{pid}/evaluation")
def show_evaluation(pid: ProjectPath, address: AddressQuery, studio: StudioDep) -> HTMLResponse:
    """How good a trained model is, and on which images it fails."""
    shell = project_shell(studio.pages.get_project_page(pid), "evaluation")
    listing = studio.evaluation_pages.list_experiments(pid, address.experiment)
    address = address.change(experiment=listing.selected_id)
    report = read_report(studio, pid, address) if listing.selected_id is not None else None
    context = EvaluationContext(shell, pid, *make_items(pid, listing), report)
    return page_response("evaluation/index.html", context)


@router.get("/projects/{pid}/evaluation/evaluation-list")
def show_list(pid: ProjectPath, address: AddressQuery, studio: StudioDep) -> HTMLResponse:
    """The experiments."""
    listing = studio.evaluation_pages.list_experiments(pid, address.experiment)
    return HTMLResponse(render_fragment(evaluation_list_fragment(pid, listing)))


@router.get("/projects/{pid}/evaluation/evaluation-report")
def show_report(
    pid: ProjectPath,
    address: AddressQuery,
    studio: StudioDep,
    seen: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """One experiment; nothing (204) when the page that asks has seen this state."""
    report = read_report(studio, pid, _with_experiment(studio, pid, address))
    if report.version == seen:
        return Response(status_code=204)
    return HTMLResponse(render_fragment(evaluation_report_fragment(report)))


@router.get("/projects/{pid}/evaluation/result-grid")
def show_grid(pid: ProjectPath, address: AddressQuery, studio: StudioDep) -> HTMLResponse:
    """Results image by image; the address of the page follows."""
    address = _resolve(studio, pid, _with_experiment(studio, pid, address))
    listing = studio.evaluation_pages.list_results(pid, address.experiment or "", address.to_query())
    headers = {"hx-push-url": f"{page_url(pid)}{address.to_text(image=None)}"}
    return HTMLResponse(render_fragment(result_grid_fragment(pid, address, listing)), headers=headers)


@router.get("/projects/{pid}/evaluation/confusion-matrix")
def show_matrix(pid: ProjectPath, address: AddressQuery, studio: StudioDep) -> HTMLResponse:
    """The confusion matrix."""
    address = _with_experiment(studio, pid, address)
    aggregate = _read_aggregate(studio, pid, address, "confusion_matrix")
    return HTMLResponse(render_fragment(confusion_matrix_fragment(pid, address, aggregate)))


@router.get("/projects/{pid}/evaluation/class-scores")
def show_scores(pid: ProjectPath, address: AddressQuery, studio: StudioDep) -> HTMLResponse:
    """Precision, recall and F1 per class."""
    address = _with_experiment(studio, pid, address)
    aggregate = _read_aggregate(studio, pid, address, "per_class")
    untrained = studio.evaluations.get_evaluation(pid, address.experiment or "").untrained_classes
    return HTMLResponse(render_fragment(class_scores_fragment(pid, address, aggregate, untrained)))


@router.get("/projects/{pid}/evaluation/image")
def show_image(pid: ProjectPath, address: AddressQuery, studio: StudioDep) -> HTMLResponse:
    """One image with its result."""
    shell = project_shell(studio.pages.get_project_page(pid), "evaluation")
    address = _resolve(studio, pid, _with_experiment(studio, pid, address))
    return page_response(
        "evaluation/image.html", ImageContext(shell, make_detail(pid, address, _read_result(studio, pid, address)))
    )


@router.get("/projects/{pid}/evaluation/result-detail")
def show_detail(pid: ProjectPath, address: AddressQuery, studio: StudioDep) -> HTMLResponse:
    """One image with its result, without the page around it; the address of the page follows."""
    address = _resolve(studio, pid, _with_experiment(studio, pid, address))
    fragment = result_detail_fragment(pid, address, _read_result(studio, pid, address))
    return HTMLResponse(
        render_fragment(fragment), headers={"hx-replace-url": f"{page_url(pid)}/image{address.to_text()}"}
    )


def _with_experiment(studio: Studio, project_id: str, address: EvaluationAddress) -> EvaluationAddress:
    """Return the address with the experiment that it means; raises NotFoundError where there is none."""
    if address.experiment is not None:
        return address
    selected = studio.evaluation_pages.list_experiments(project_id, None).selected_id
    if selected is None:
        msg = "No experiment of this project has completed yet."
        raise NotFoundError(msg)
    return address.change(experiment=selected)


def _select(studio: Studio, project_id: str, address: EvaluationAddress) -> SelectedEvaluation:
    return studio.evaluation_pages.get_selected(project_id, address.experiment or "")


def _resolve(studio: Studio, project_id: str, address: EvaluationAddress) -> EvaluationAddress:
    if address.cell is None and address.class_name is None and address.predicted is None:
        return address
    aggregate = studio.evaluations.get_evaluation(project_id, address.experiment or "").aggregate or {}
    return address.resolve(aggregate.get("classes", []))


def read_report(studio: Studio, project_id: str, address: EvaluationAddress) -> Report:
    """Return what the page shows of the experiment that an address names; raises NotFoundError."""
    selected = _select(studio, project_id, address)
    address = address.resolve((selected.aggregate or {}).get("classes", []))
    listing, points = None, None
    if selected.aggregate is not None:
        experiment = selected.experiment.id
        listing = studio.evaluation_pages.list_results(project_id, experiment, address.to_query())
        if get_kind(selected.task.annotation_kind).is_scattered:
            points = studio.evaluation_pages.list_points(project_id, experiment, address.value)
    return make_report(project_id, address, selected, listing, points)


def _read_aggregate(studio: Studio, project_id: str, address: EvaluationAddress, key: str) -> dict[str, object]:
    aggregate = studio.evaluations.get_evaluation(project_id, address.experiment or "").aggregate
    if aggregate is None or key not in aggregate:
        msg = "This evaluation has no such picture."
        raise NotFoundError(msg)
    return aggregate


def _read_result(studio: Studio, project_id: str, address: EvaluationAddress) -> ResultView:
    query = address.to_query()
    return studio.evaluation_pages.get_result(project_id, address.experiment or "", address.image or "", query)
