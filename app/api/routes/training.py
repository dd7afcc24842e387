"""Running experiments over HTTP, and the queue of runs that wait."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.api.dependencies import ExperimentPath, ProjectPath, RunPath, StudioDep
from app.api.json_body import StrictRoute
from app.api.pages.training.results import run_log_fragment
from app.api.present import present
from app.schemas.envelope import Ok
from app.schemas.experiments import (
    ExperimentRecord,
    LogChunk,
    MoreEpochsRequest,
    QueueList,
    QueueMove,
    RunStarted,
    StopRequest,
)

router = APIRouter(prefix="/api/training/{pid}", tags=["Training"], route_class=StrictRoute)
LogOffset = Annotated[
    int, Query(ge=0, le=2**53, description="Byte to start reading from: `next_offset` of the previous response.")
]


@router.post("/experiments/{eid}/train", response_model=Ok[RunStarted], summary="Train an experiment")
def start_training(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """Adds a run to the queue. It starts when its device is free."""
    return present(request, studio.training.start_training(pid, eid))


@router.post("/experiments/{eid}/stop", response_model=Ok[RunStarted], summary="Stop a run")
def stop_training(
    request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep, body: StopRequest | None = None
) -> Response:
    """Cancels the run. With `keep` the run is completed with the best checkpoint so far.

    `keep` also completes a run that is paused or that ended early.
    """
    return present(request, studio.training.stop_training(pid, eid, body.keep if body else False))


@router.post("/experiments/{eid}/pause", response_model=Ok[RunStarted], summary="Pause a run")
def pause_training(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """Saves a checkpoint and frees the device."""
    return present(request, studio.training.pause_training(pid, eid))


@router.post("/experiments/{eid}/resume", response_model=Ok[RunStarted], summary="Resume a run")
def resume_training(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """Continues from the last checkpoint, after a pause or an interruption."""
    return present(request, studio.training.resume_training(pid, eid))


@router.post("/experiments/{eid}/restart", response_model=Ok[ExperimentRecord], summary="Restart an experiment")
def restart_experiment(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """Sets it back to `created`, so that it can be changed and trained again. Earlier runs are kept."""
    return present(request, studio.training.restart_experiment(pid, eid))


@router.post("/experiments/{eid}/more", response_model=Ok[RunStarted], summary="Train a completed experiment further")
def train_more(
    request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep, body: MoreEpochsRequest | None = None
) -> Response:
    """Creates a fork that starts from the last checkpoint, and trains it. The response names the fork.

    The fork has the same settings except for the number of epochs and a short warm-up. Its optimizer and its
    learning rate schedule start from the beginning.
    """
    return present(request, studio.more_epochs.train_more(pid, eid, body.epochs if body else None))


@router.get("/experiments/{eid}/logs", response_model=Ok[LogChunk], summary="Read the log of the current run")
def read_log(
    request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep, offset: LogOffset = 0
) -> Response:
    """The text from a byte offset to the end."""
    chunk = studio.run_logs.read_log(pid, eid, offset)
    return present(request, chunk, lambda: run_log_fragment(chunk))


@router.get("/queue", response_model=Ok[QueueList], summary="List the queued runs")
def list_queue(request: Request, pid: ProjectPath, studio: StudioDep) -> Response:
    """The first run in the list starts next."""
    return present(request, studio.run_queue.list_queue(pid))


@router.post("/queue/{run_id}/move", response_model=Ok[QueueList], summary="Move a run in the queue")
def move_in_queue(request: Request, pid: ProjectPath, run_id: RunPath, body: QueueMove, studio: StudioDep) -> Response:
    """The run at position 0 starts next."""
    return present(request, studio.run_queue.move_in_queue(pid, run_id, body.position))
