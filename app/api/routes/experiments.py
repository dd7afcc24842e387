"""Experiments over HTTP: what is configured. Running them is in `training`."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.dependencies import ExperimentPath, ProjectPath, StudioDep
from app.api.json_body import StrictRoute
from app.api.pages.training.checks import run_checks_fragment
from app.api.pages.training.listing import experiment_list_fragment
from app.api.pages.training.results import training_results_fragment
from app.api.pages.training.settings import training_settings_fragment
from app.api.present import present
from app.core.studio import Studio
from app.schemas.envelope import Ok
from app.schemas.experiments import (
    DuplicateRequest,
    ExperimentCreate,
    ExperimentDeleted,
    ExperimentList,
    ExperimentRecord,
    ExperimentUpdate,
    ForkRequest,
    MetricsRecord,
    RunList,
)
from app.schemas.run_checks import RunCheckList, RunCheckRequest
from app.schemas.training_views import ExperimentQuery

router = APIRouter(prefix="/api/training/{pid}/experiments", tags=["Experiments"], route_class=StrictRoute)


@router.get("", response_model=Ok[ExperimentList], summary="List experiments")
def list_experiments(request: Request, pid: ProjectPath, studio: StudioDep) -> Response:
    """The experiments of a project."""
    experiments = studio.experiments.list_experiments(pid)
    rows = ExperimentQuery()
    return present(
        request, experiments, lambda: experiment_list_fragment(pid, studio.training_views.list_rows(pid, rows))
    )


@router.post("", response_model=Ok[ExperimentRecord], summary="Create an experiment")
def create_experiment(request: Request, pid: ProjectPath, body: ExperimentCreate, studio: StudioDep) -> Response:
    """Omitted values take the task's defaults; GET /api/tasks/{task}/schema lists the hyperparameters."""
    return _present_settings(request, studio, pid, studio.experiments.create_experiment(pid, body))


@router.get("/{eid}", response_model=Ok[ExperimentRecord], summary="Get an experiment")
def get_experiment(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """Its settings, and the state of its current run."""
    return _present_settings(request, studio, pid, studio.experiments.get_experiment(pid, eid))


@router.patch("/{eid}", response_model=Ok[ExperimentRecord], summary="Change an experiment")
def update_experiment(
    request: Request, pid: ProjectPath, eid: ExperimentPath, body: ExperimentUpdate, studio: StudioDep
) -> Response:
    """Objects are merged by key, lists replaced. During a run only name and description can change."""
    return _present_settings(request, studio, pid, studio.experiments.update_experiment(pid, eid, body))


@router.delete("/{eid}", response_model=Ok[ExperimentDeleted], summary="Delete an experiment")
def delete_experiment(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """Also deletes its runs, checkpoints and evaluation."""
    return present(request, studio.experiments.delete_experiment(pid, eid))


@router.post("/{eid}/duplicate", response_model=Ok[ExperimentRecord], summary="Duplicate an experiment")
def duplicate_experiment(
    request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep, body: DuplicateRequest | None = None
) -> Response:
    """A new experiment with the same settings."""
    copy = studio.experiments.duplicate_experiment(pid, eid, body or DuplicateRequest())
    return _present_settings(request, studio, pid, copy)


@router.post("/{eid}/fork", response_model=Ok[ExperimentRecord], summary="Fork an experiment")
def fork_experiment(
    request: Request, pid: ProjectPath, eid: ExperimentPath, body: ForkRequest, studio: StudioDep
) -> Response:
    """A new experiment that starts from the weights of a checkpoint of this one."""
    return _present_settings(request, studio, pid, studio.experiments.fork_experiment(pid, eid, body))


@router.get("/{eid}/checks", response_model=Ok[RunCheckList], summary="Check an experiment before it is trained")
def check_experiment(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """Problems with these settings and images, and how to fix them. Errors prevent training."""
    return _present_checks(request, pid, eid, studio.experiment_checks.check(pid, eid))


@router.post("/{eid}/checks", response_model=Ok[RunCheckList], summary="Check changes before they are saved")
def check_changes(
    request: Request, pid: ProjectPath, eid: ExperimentPath, body: RunCheckRequest, studio: StudioDep
) -> Response:
    """The checks as they would be with these changes. Nothing is saved."""
    return _present_checks(request, pid, eid, studio.experiment_checks.check(pid, eid, body.changes))


@router.get("/{eid}/metrics", response_model=Ok[MetricsRecord], summary="Get the metrics of every epoch")
def get_metrics(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """The metrics of the current run."""
    metrics = studio.experiments.read_metrics(pid, eid)
    return present(request, metrics, lambda: training_results_fragment(studio.training_results.get_results(pid, eid)))


@router.get("/{eid}/runs", response_model=Ok[RunList], summary="List the runs of an experiment")
def list_runs(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """Newest first."""
    runs = studio.experiments.list_runs(pid, eid)
    return present(request, runs, lambda: training_results_fragment(studio.training_results.get_results(pid, eid)))


def _present_checks(request: Request, pid: str, eid: str, found: RunCheckList) -> Response:
    return present(request, found, lambda: run_checks_fragment(pid, eid, found))


def _present_settings(request: Request, studio: Studio, pid: str, record: ExperimentRecord) -> Response:
    return present(
        request,
        record,
        lambda: training_settings_fragment(pid, studio.training_views.get_settings(pid, record.id)),
    )
