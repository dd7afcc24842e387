"""Forecasts of runs over HTTP: what an experiment would take on this machine."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.dependencies import ExperimentPath, ProjectPath, StudioDep
from app.api.json_body import StrictRoute
from app.api.pages.training.forecast import training_forecast_fragment
from app.api.present import present
from app.schemas.envelope import Ok
from app.schemas.forecasts import ForecastView

router = APIRouter(prefix="/api/training/{pid}/experiments/{eid}/forecast", tags=["Training"], route_class=StrictRoute)


@router.get("", response_model=Ok[ForecastView], summary="Forecast a run")
def get_forecast(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """Time, memory and disk space, from measurements on this machine.

    For a run that can be resumed, the forecast is of the remaining part.

    `ready`: measured with these settings. `estimated`: scaled from other settings.
    `needs_probe`: no measurement can be used yet.
    """
    view = studio.forecasts.get_forecast(pid, eid)
    return present(request, view, lambda: training_forecast_fragment(pid, eid, view))


@router.post(
    "",
    response_model=Ok[ForecastView],
    status_code=202,
    responses={200: {"model": Ok[ForecastView], "description": "Already measured; nothing was started."}},
    summary="Measure speed and memory for a forecast",
)
def request_forecast(request: Request, pid: ProjectPath, eid: ExperimentPath, studio: StudioDep) -> Response:
    """Queues a measurement of a few steps on the experiment's devices; GET /api/jobs/{job_id} follows it.

    A `ready` forecast is returned immediately, and a queued or running measurement is not started twice.
    """
    view = studio.forecasts.request_forecast(pid, eid)
    status_code = 202 if view.job_id else 200
    return present(request, view, lambda: training_forecast_fragment(pid, eid, view), status_code=status_code)
