"""Jobs: the record, the request that a child reads, and what it reports at its end."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from app.schemas.common import Count, JobId, ProjectId, StrictModel, Time
from app.schemas.experiments import ErrorInfo

JobStatus = Literal["pending", "running", "completed", "paused", "failed", "cancelled", "interrupted"]
TERMINAL_JOB_STATUSES: frozenset[JobStatus] = frozenset({"completed", "paused", "failed", "cancelled", "interrupted"})
JobCommand = Literal["cancel", "pause", "stop_keep"]
# Their jobs look and change nothing, so nothing waits for their end.
LOOKING_KINDS = frozenset({"check"})
# A spare prints this line when it has loaded everything; it then waits on stdin for {"request": path}.
SPARE_READY = b"This spare is warm.\n"


class JobProgress(StrictModel):
    """How far a job is."""

    done: Count = 0
    total: Count = 0
    message: str = ""


class JobRecord(StrictModel):
    """job.json. `subject` names what the job works for, e.g. {"experiment_id": ..., "run_id": ...}."""

    version: int = 1
    id: JobId
    kind: str
    project_id: ProjectId
    subject: dict[str, str] = Field(default_factory=dict)
    devices: list[str] = Field(default_factory=list, description="Devices it needs for itself; empty: none.")
    status: JobStatus = "pending"
    created_at: Time
    started_at: Time | None = None
    completed_at: Time | None = None
    pid: int | None = None
    process_created: float | None = Field(
        None, description="Start of the process in unix seconds; tells it from a later one with the same pid."
    )
    queue_order: int = Field(0, description="Pending jobs start in this order.")
    is_service: bool = Field(False, description="Runs outside of the capacity and may be silent.")
    max_run_s: float | None = Field(None, description="The server ends it after so long; None: it may take any time.")
    progress: JobProgress = Field(default_factory=lambda: JobProgress())
    result: dict[str, Any] | None = None
    error: ErrorInfo | None = None

    @property
    def is_work(self) -> bool:
        """Whether it changes its project; then nothing that it needs is deleted under it."""
        return not self.is_service and self.kind not in LOOKING_KINDS


class JobRequest(StrictModel):
    """request.json: everything that a child needs to know; it reads nothing else of the workspace."""

    version: int = 1
    job_id: JobId
    kind: str
    project_id: ProjectId
    job_dir: str = Field(description="Holds request.json, events.jsonl and job.log.")
    output_dir: str = Field(description="The only other directory that the child may write to.")
    payload: dict[str, Any]


class JobSummary(StrictModel):
    """A job in a list."""

    id: JobId
    kind: str
    status: JobStatus
    project_id: ProjectId
    experiment_id: str | None = None
    export_id: str | None = None
    progress: JobProgress
    created_at: str
    started_at: str | None = None
    completed_at: str | None = None
    error: ErrorInfo | None = None
    result: dict[str, Any] | None = None


class JobList(StrictModel):
    """Jobs, newest first."""

    jobs: list[JobSummary]


class JobCancellation(StrictModel):
    """Answer to a cancellation."""

    job_id: JobId
    status: JobStatus
