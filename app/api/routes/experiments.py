"""Experiments over HTTP: what is configured. Running them is in `training`."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.dependencies import ExperimentPath, ProjectPath, StudioDep
from app.api.json_body import StrictRoute
from app.api.present import present
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

router = APIRouter(prefix="/api/training/{pid}/experiments", tags=["Experiments"], route_class=StrictRoute)


@router.get("", response_model=Ok[ExperimentList], summary="List experiments")
def list_experiments(request: Request, pid: ProjectPath, studio: StudioDep) -> Response:
    """The experiments of a project."""
    return present(request, studio.experiments.list_experiments(pid))


@router.post("", response_model=Ok[ExperimentRecord], summary="Create an experiment")
def create_experiment(request: Request, pid: ProjectPath, body: ExperimentCreate, studio: StudioDep) -> Response:
    """What is left out takes the task's default; GET /api/tasks/{task}/schema lists the hyperparameters."""
    return present(request, studio.experiments.create_experiment(pid, body))


@router.get("/{eid}", response_model=Ok[ExperimentRecord], summary="Get an experiment")
def get_experiment(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """Its settings, and the state of its current run."""
    return present(request, studio.experiments.get_experiment(pid, eid))


@router.patch("/{eid}", response_model=Ok[ExperimentRecord], summary="Change an experiment")
def update_experiment(
    request: Request, pid: ProjectPath, eid: ExperimentPath, body: ExperimentUpdate, studio: StudioDep
) -> Response:
    """Objects are merged by key, lists replaced. During a run only name and description can change."""
    return present(request, studio.experiments.update_experiment(pid, eid, body))


@router.delete("/{eid}", response_model=Ok[ExperimentDeleted], summary="Delete an experiment")
def delete_experiment(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """Its runs, checkpoints and evaluation go with it."""
    return present(request, studio.experiments.delete_experiment(pid, eid))


@router.post("/{eid}/duplicate", response_model=Ok[ExperimentRecord], summary="Duplicate an experiment")
def duplicate_experiment(
    request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep, body: DuplicateRequest | None = None
) -> Response:
    """A new experiment with the same settings."""
    return present(request, studio.experiments.duplicate_experiment(pid, eid, body or DuplicateRequest()))


@router.post("/{eid}/fork", response_model=Ok[ExperimentRecord], summary="Fork an experiment")
def fork_experiment(
    request: Request, pid: ProjectPath, eid: ExperimentPath, body: ForkRequest, studio: StudioDep
) -> Response:
    """A new experiment that starts from the weights of a checkpoint of this one."""
    return present(request, studio.experiments.fork_experiment(pid, eid, body))


@router.get("/{eid}/metrics", response_model=Ok[MetricsRecord], summary="Get the metrics of every epoch")
def get_metrics(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """Those of the current run."""
    return present(request, studio.experiments.read_metrics(pid, eid))


@router.get("/{eid}/runs", response_model=Ok[RunList], summary="List the runs of an experiment")
def list_runs(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """Newest first."""
    return present(request, studio.experiments.list_runs(pid, eid))
