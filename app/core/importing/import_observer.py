"""Finishes imports: moves the dataset that a job built into place, or removes what a failed one left."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

from app.core.announcing import announce
from app.core.boundaries import skipping
from app.core.collaborators import Collaborators
from app.datasets.formats.report.problem_file import PROBLEMS_NAME
from app.schemas.events import AnyEvent, DatasetSelected, SplitSummary, StageStatus
from app.schemas.jobs import JobRecord
from app.storage.uploads import UploadStore


class ImportObserver:
    """Observes jobs of the kind `import`."""

    def __init__(self, shared: Collaborators) -> None:
        self._stores = shared.stores
        self._uploads = UploadStore(shared.stores.paths)
        self._bus = shared.bus
        self._on_imported: list[Callable[[JobRecord], None]] = []
        shared.scheduler.register("import", self)

    def on_imported(self, callback: Callable[[JobRecord], None]) -> None:
        """Have a callback called with the job of each dataset that came into place; perhaps twice, so it bears that."""
        self._on_imported.append(callback)

    def on_started(self, job: JobRecord) -> None:
        """Nothing to record: the dataset does not exist before the end."""

    def on_event(self, job: JobRecord, event: AnyEvent) -> bool:
        """Let every event of the child into the project's log."""
        return True

    def on_finished(self, job: JobRecord) -> None:
        """Move a finished dataset into place, or remove what a failed import left. Safe to be called twice."""
        staging = self._stores.paths.staging_dir(job.project_id, job.id)
        if job.status == "completed":
            if staging.is_dir():
                self._stores.datasets.publish(job.project_id, staging)
            self._stores.documents.reserve.fill()
            with skipping("The problems of an earlier import"):  # the dataset is there, whatever becomes of them
                self._stores.paths.failed_problems_file(job.project_id).unlink(missing_ok=True)
            self._stores.projects.touch(job.project_id)
            announce(self._bus, job.project_id, DatasetSelected(dataset_id=job.subject["dataset_id"]), job_id=job.id)
            if (split := (job.result or {}).get("split")) is not None:
                announce(self._bus, job.project_id, SplitSummary.model_validate(split), job_id=job.id)
            for callback in self._on_imported:
                callback(job)
        stage = StageStatus(
            stage_id="DATA_SOURCE",
            status="COMPLETED" if job.status == "completed" else "FAILED",
            message=job.error.message if job.error is not None else "",
        )
        announce(self._bus, job.project_id, stage, job_id=job.id)
        if job.status == "failed":
            self._keep_problems(job, staging)
        shutil.rmtree(staging, ignore_errors=True)
        if "upload_id" in job.subject:
            with skipping("An upload that was imported"):
                self._uploads.remove(job.project_id, job.subject["upload_id"])

    def recover(self, living_jobs: Collection[str]) -> None:
        """Remove what dead imports left behind; forgotten uploads go by age, see `leftovers.py`."""
        for project_id in self._stores.projects.list_ids():
            with skipping(f"What imports left in {project_id}"):
                staging_dir = self._stores.paths.project_dir(project_id) / "staging"
                for staging in self._stores.documents.list_directories(staging_dir, "job"):
                    if staging.name not in living_jobs:
                        shutil.rmtree(staging, ignore_errors=True)

    def _keep_problems(self, job: JobRecord, staging: Path) -> None:
        with contextlib.suppress(OSError):  # it had no problem to name, or the disk has one of its own
            (staging / PROBLEMS_NAME).replace(self._stores.paths.failed_problems_file(job.project_id))
