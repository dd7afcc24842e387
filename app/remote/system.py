"""Installation, jobs and tasks over REST."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.remote.errors import StudioJobError
from app.remote.transport import Transport, join_path
from app.remote.waiting import Patience
from app.schemas.jobs import TERMINAL_JOB_STATUSES, JobCancellation, JobList, JobSummary
from app.schemas.system import DeviceList, Health, WorkspaceHealth
from app.schemas.tasks import TaskInfo, TaskList, TaskSchema


class System:
    """What `/api/system` offers."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport

    def health(self) -> Health:
        """Return the version, uptime and memory of the server."""
        return self._http.get(Health, join_path("system", "health"))

    def devices(self) -> DeviceList:
        """Return what runs can compute on."""
        return self._http.get(DeviceList, join_path("system", "devices"))

    def workspace(self) -> WorkspaceHealth:
        """Return the state of the workspace on disk."""
        return self._http.get(WorkspaceHealth, join_path("system", "workspace"))


class Jobs:
    """What `/api/jobs` and `/api/system/jobs` offer."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport

    def all(self) -> Sequence[JobSummary]:
        """Return the jobs, newest first."""
        return self._http.get(JobList, join_path("system", "jobs")).jobs

    def get(self, job_id: str) -> JobSummary:
        """Return one job."""
        return self._http.get(JobSummary, join_path("jobs", job_id))

    def wait(
        self,
        job_id: str,
        on_progress: Callable[[JobSummary], None] | None = None,
        *,
        poll_s: float = 0.5,
        timeout_s: float | None = None,
        reconnect_s: float = 60.0,
    ) -> JobSummary:
        """Wait until a job has completed; a restart of the server in between does no harm.

        Raises StudioJobError when it ended otherwise, StudioTimeoutError after `timeout_s`.
        """
        patience = Patience(timeout_s, reconnect_s, f"The job {job_id}")
        while True:
            job = patience.ask(lambda: self.get(job_id))
            if on_progress:
                on_progress(job)
            if job.status == "completed":
                return job
            if job.status in TERMINAL_JOB_STATUSES:
                raise StudioJobError(job)
            patience.check()
            patience.pause(poll_s)

    def cancel(self, job_id: str) -> JobCancellation:
        """Cancel a job."""
        return self._http.send("POST", JobCancellation, join_path("jobs", job_id, "cancel"))


class Tasks:
    """What `/api/tasks` offers."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport

    def all(self) -> Sequence[TaskInfo]:
        """Return every task that the server knows."""
        return self._http.get(TaskList, join_path("tasks")).tasks

    def schema(self, task_id: str) -> TaskSchema:
        """Return the JSON Schema and the defaults of a task's hyperparameters."""
        return self._http.get(TaskSchema, join_path("tasks", task_id, "schema"))
