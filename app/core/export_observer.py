"""What the jobs of exports change: the export's record, its progress, and what the project's log says of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from app.core.announcing import announce
from app.core.boundaries import skipping
from app.core.collaborators import Collaborators
from app.schemas.common import utc_now
from app.schemas.events import AnyEvent, Artifact, ArtifactAdded, ExportProgress, ExportReady, StageStatus
from app.schemas.export import ExportRecord, ExportValidation
from app.schemas.jobs import JobRecord

ACTIVE_STATUSES = frozenset({"pending", "running"})


class ExportObserver:
    """Observes jobs of the kind `export`."""

    def __init__(self, shared: Collaborators) -> None:
        self._stores = shared.stores
        self._bus = shared.bus
        self._progress: dict[str, ExportProgress] = {}
        shared.scheduler.register("export", self)

    def on_started(self, job: JobRecord) -> None:
        """The export has begun."""
        self._update(job, {"status": "running", "started_at": utc_now()})

    def on_event(self, job: JobRecord, event: AnyEvent) -> bool:
        """Remember how far it is, for pages that open later; every event belongs into the project's log."""
        if isinstance(event, ExportProgress):
            self._progress[job.id] = event
        return True

    def find_progress(self, export: ExportRecord) -> ExportProgress | None:
        """Return how far a running export is, None before its first word."""
        return self._progress.get(export.job_id or "")

    def on_finished(self, job: JobRecord) -> None:
        """The export has ended, one way or another."""
        self._progress.pop(job.id, None)
        result = job.result or {}
        changes: dict[str, Any] = {"status": job.status, "completed_at": utc_now(), "error": job.error}
        if job.status == "completed":
            changes["output_file"] = result["output_file"]
            changes["output_size_mb"] = result["output_size_mb"]
            changes["checksum"] = result["checksum"]
            changes["bundle_checksum"] = result.get("bundle_checksum")
            changes["contents"] = result["contents"]
        validation = result.get("validation") or self._read_validation(job)
        if validation is not None:
            changes["validation"] = ExportValidation.model_validate(validation)
        self._update(job, changes)
        if job.status == "completed":
            self._announce(job, result)
        stage = StageStatus(
            stage_id="EXPORT",
            status="COMPLETED" if job.status == "completed" else "FAILED",
            message=job.error.message if job.error is not None else "",
        )
        announce(self._bus, job.project_id, stage, job_id=job.id)

    def recover(self, living_jobs: Collection[str]) -> None:
        """Mark as interrupted what is pending or running although no job works on it."""
        for project_id in self._stores.projects.list_ids():
            for export in self._stores.exports.read_all(project_id):
                if export.status not in ACTIVE_STATUSES or export.job_id in living_jobs:
                    continue
                with skipping(f"The export {export.id}"):
                    self._stores.exports.update(project_id, export.id, {"status": "interrupted"})

    def _announce(self, job: JobRecord, result: dict[str, Any]) -> None:
        export_id = job.subject["export_id"]
        url = f"/api/export/{job.project_id}/{export_id}/download"
        artifact = Artifact(
            id=export_id,
            type="model",
            name=result["output_file"],
            url=url,
            meta={
                "size_mb": result["output_size_mb"],
                "sha256": result["checksum"],
                "path": f"exports/{export_id}/{result['output_file']}",
            },
        )
        ready = ExportReady(asset_url=url, contents=result["contents"], checksum=result["checksum"])
        announce(self._bus, job.project_id, ArtifactAdded(artifact=artifact), stage_id="EXPORT", job_id=job.id)
        announce(self._bus, job.project_id, ready, stage_id="EXPORT", job_id=job.id)

    def _read_validation(self, job: JobRecord) -> dict[str, Any] | None:
        certificate = self._stores.exports.read_certificate(job.project_id, job.subject["export_id"])
        return certificate.model_dump(include=set(ExportValidation.model_fields)) if certificate else None

    def _update(self, job: JobRecord, changes: dict[str, Any]) -> None:
        self._stores.exports.update(job.project_id, job.subject["export_id"], changes)
