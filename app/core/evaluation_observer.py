"""What the jobs of evaluations change: the evaluation's record, its progress, and what the project's log says of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from app.core.announcing import announce
from app.core.boundaries import skipping
from app.core.collaborators import Collaborators
from app.schemas.common import utc_now
from app.schemas.evaluation import EvaluationRecord, Progress
from app.schemas.events import AnyEvent, EvaluationProgressed, StageStatus
from app.schemas.jobs import JobRecord

ACTIVE_STATUSES = frozenset({"pending", "running"})


class EvaluationObserver:
    """Observes jobs of the kind `evaluate`."""

    def __init__(self, shared: Collaborators) -> None:
        self._stores = shared.stores
        self._bus = shared.bus
        self._progress: dict[str, Progress] = {}
        shared.scheduler.register("evaluate", self)

    def find_progress(self, record: EvaluationRecord) -> Progress | None:
        """Return how far a running evaluation is, as it was stored before its first word."""
        return self._progress.get(record.job_id or "", record.progress)

    def on_started(self, job: JobRecord) -> None:
        """The evaluation has begun."""
        self._update(job, {"status": "running", "started_at": utc_now()})

    def on_event(self, job: JobRecord, event: AnyEvent) -> bool:
        """Remember the progress; it is stored at the end only."""
        if isinstance(event, EvaluationProgressed):
            self._progress[job.id] = Progress(processed=event.processed, total=event.total)
        return True

    def on_finished(self, job: JobRecord) -> None:
        """The evaluation has ended, one way or another."""
        changes: dict[str, Any] = {"status": job.status, "completed_at": utc_now(), "error": job.error}
        if job.id in self._progress:
            changes["progress"] = self._progress.pop(job.id)
        self._update(job, changes)
        status = StageStatus(
            stage_id="REVIEW_EDIT",
            status="COMPLETED" if job.status == "completed" else "FAILED",
            message=job.error.message if job.error is not None else "",
        )
        announce(self._bus, job.project_id, status, run_id=job.subject["run_id"] or None, job_id=job.id)

    def recover(self, living_jobs: Collection[str]) -> None:
        """Mark as interrupted what is pending or running although no job works on it."""
        for project_id in self._stores.projects.list_ids():
            for record in self._stores.experiments.read_all(project_id):
                with skipping(f"The evaluation of {record.id}"):
                    self._stores.evaluations.put_in_place(project_id, record.id)
                evaluation = self._stores.evaluations.read(project_id, record.id)
                if evaluation is None or evaluation.status not in ACTIVE_STATUSES:
                    continue
                if evaluation.job_id in living_jobs:
                    continue
                with skipping(f"The evaluation of {record.id}"):
                    changes = {"status": "interrupted"}
                    self._stores.evaluations.update(project_id, record.id, evaluation.job_id, changes)

    def _update(self, job: JobRecord, changes: dict[str, Any]) -> None:
        place = job.project_id, job.subject["experiment_id"]
        if self._stores.evaluations.find(*place, job.id) is not None:  # else it was reset in the meantime
            self._stores.evaluations.update(*place, job.id, changes)
