"""Jobs as clients see them."""

from __future__ import annotations

from app.core.jobs.scheduler import JobScheduler
from app.schemas.jobs import JobCancellation, JobList, JobRecord, JobSummary


class JobService:
    """Lists and cancels jobs of any kind."""

    def __init__(self, scheduler: JobScheduler) -> None:
        self._scheduler = scheduler

    def list_jobs(self) -> JobList:
        """Return every job, newest first."""
        jobs = sorted(self._scheduler.list_jobs(), key=lambda job: (job.created_at, job.id), reverse=True)
        return JobList(jobs=[summarize_job(job) for job in jobs])

    def get_job(self, job_id: str) -> JobSummary:
        """Return a job; raises NotFoundError."""
        return summarize_job(self._scheduler.get(job_id))

    def cancel_job(self, job_id: str) -> JobCancellation:
        """Cancel a job; one that has ended stays as it is. Raises NotFoundError."""
        job = self._scheduler.cancel(job_id)
        return JobCancellation(job_id=job.id, status=job.status)


def summarize_job(job: JobRecord) -> JobSummary:
    """Return the public part of a job."""
    fields = job.model_dump(include=set(JobSummary.model_fields) - {"progress", "error"})
    return JobSummary(
        **fields,
        progress=job.progress,
        error=job.error,
        experiment_id=job.subject.get("experiment_id"),
        export_id=job.subject.get("export_id"),
    )
