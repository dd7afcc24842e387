"""Which jobs work on an experiment."""

from __future__ import annotations

from app.core.jobs.scheduler import JobScheduler
from app.schemas.jobs import TERMINAL_JOB_STATUSES, JobRecord


def list_jobs_of(scheduler: JobScheduler, project_id: str, experiment_id: str) -> list[JobRecord]:
    """Return the jobs of an experiment, of any kind and state."""
    jobs = scheduler.list_jobs()
    return [job for job in jobs if job.project_id == project_id and job.subject.get("experiment_id") == experiment_id]


def say_undeletable(scheduler: JobScheduler, project_id: str, experiment_id: str) -> str:
    """Return why an experiment cannot be deleted now, empty when it can."""
    for job in list_jobs_of(scheduler, project_id, experiment_id):
        if not job.is_service and job.status not in TERMINAL_JOB_STATUSES:
            return f"A job ({job.kind}) is using this experiment. Cancel it or wait until it is finished."
    return ""
