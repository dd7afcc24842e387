"""Forecasts as a service: answers from what is known, and the job that measures what is not."""

from __future__ import annotations

from pathlib import Path

from app.core.collaborators import Collaborators
from app.core.devices import require_devices
from app.core.exceptions import TrainingInProgressError
from app.core.experiment_jobs import list_jobs_of
from app.core.forecast.forecasting import Forecaster
from app.core.payloads import TrainPayloads
from app.core.runs.checks import RunChecker
from app.schemas.common import new_id
from app.schemas.experiments import ACTIVE_EXPERIMENT_STATUSES, ExperimentRecord
from app.schemas.forecasts import ForecastView
from app.schemas.jobs import TERMINAL_JOB_STATUSES, JobRecord

CONTINUED_STATUSES = frozenset({"paused", "interrupted"})


class ForecastService:
    """What an experiment would take."""

    def __init__(self, shared: Collaborators, checker: RunChecker) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._scheduler = shared.scheduler
        self._gate = shared.gate
        self._payloads = TrainPayloads(shared.stores, shared.settings)
        self._forecaster = Forecaster(shared.stores)
        self._checker = checker

    def get_forecast(self, project_id: str, experiment_id: str) -> ForecastView:
        """Return the forecast of an experiment; of what is left for one that can be continued.

        Raises ExperimentNotFoundError, SplitNotFoundError, DatasetNotImportedError.
        """
        record = self._lookup.find_experiment(project_id, experiment_id)
        return self._forecast(project_id, record)

    def request_forecast(self, project_id: str, experiment_id: str) -> ForecastView:
        """Return a measured forecast, or queue the probe that makes one possible behind what its devices do now.

        Raises TrainingInProgressError, GpuNotAvailableError, ValidationFailedError, and what `get_forecast` raises.
        """
        with self._gate.enter(project_id):
            record = self._lookup.find_experiment(project_id, experiment_id)
            if record.status in ACTIVE_EXPERIMENT_STATUSES:
                msg = "A run of this experiment is pending or running; its progress says how long it will take."
                raise TrainingInProgressError(msg)
            self._payloads.check_data(project_id, record)
            view = self._forecast(project_id, record)
            if view.status == "ready" or view.job_id is not None:
                return view
            require_devices(list(record.hardware.selected_devices))
            return view.model_copy(update={"job_id": self._start_probe(project_id, record)})

    def _forecast(self, project_id: str, record: ExperimentRecord) -> ForecastView:
        payload = self._payloads.build(
            project_id, record, record.current_run_id or "", self._find_resume(project_id, record)
        )
        view = self._forecaster.forecast(project_id, record, payload)
        view = view.model_copy(update={"warnings": self._checker.list_warnings(project_id, record)})
        probe = self._find_probe(project_id, record)
        if probe is None:
            return view
        if probe.status in TERMINAL_JOB_STATUSES:
            is_told = view.status == "needs_probe" and probe.status == "failed" and probe.error is not None
            return view.model_copy(update={"failure": probe.error.message}) if is_told and probe.error else view
        return view.model_copy(update={"job_id": probe.id, "progress": probe.progress})

    def _find_resume(self, project_id: str, record: ExperimentRecord) -> Path | None:
        if record.status not in CONTINUED_STATUSES:
            return None
        return self._stores.experiments.checkpoint_path(project_id, record, "last")

    def _find_probe(self, project_id: str, record: ExperimentRecord) -> JobRecord | None:
        """Return the probe of an experiment that waits or runs, else the one that ended last."""
        probes = [job for job in list_jobs_of(self._scheduler, project_id, record.id) if job.kind == "probe"]
        living = [job for job in probes if job.status not in TERMINAL_JOB_STATUSES]
        return max(living or probes, key=lambda job: job.created_at, default=None)

    def _start_probe(self, project_id: str, record: ExperimentRecord) -> str:
        job_id = new_id("job")
        job = self._scheduler.submit(
            "probe",
            project_id,
            self._payloads.build(project_id, record, run_id=""),
            self._stores.paths.job_dir(project_id, job_id),
            subject={"experiment_id": record.id},
            devices=list(record.hardware.selected_devices),
            job_id=job_id,
        )
        return job.id
