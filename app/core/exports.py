"""Exports: each a job, each with a certificate that compares the file with the model."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from app.core.announcing import announce, announce_change
from app.core.boundaries import skipping
from app.core.checksums import Checksums
from app.core.collaborators import Collaborators
from app.core.evaluations import require_completed
from app.core.exceptions import ConflictError, ExportFormatUnavailableError, NotFoundError, invalid_field
from app.core.lookup import unusable
from app.core.measured import find_measurements
from app.core.payloads import locate_dataset
from app.export.catalog import list_formats
from app.schemas.common import new_id, utc_now
from app.schemas.evaluation import Subset
from app.schemas.events import AnyEvent, Artifact, ArtifactAdded, ExportProgress, ExportReady, StageStatus
from app.schemas.experiments import ExperimentRecord
from app.schemas.export import (
    ExportDeleted,
    ExportFormatList,
    ExportList,
    ExportRecord,
    ExportRequest,
    ExportValidation,
    ParityCertificate,
)
from app.schemas.jobs import TERMINAL_JOB_STATUSES, JobRecord
from app.schemas.payloads import ExportPayload
from app.storage.json_store import CorruptDocumentError
from app.storage.paths import UnsafePathError

ACTIVE_STATUSES = frozenset({"pending", "running"})
SUBSET_PREFERENCE: tuple[Subset, ...] = ("test", "val", "train")


class ExportService:
    """Starts, shows and deletes exports; observes jobs of the kind `export`."""

    def __init__(self, shared: Collaborators, checksums: Checksums) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._bus = shared.bus
        self._scheduler = shared.scheduler
        self._gate = shared.gate
        self._settings = shared.settings
        self._progress: dict[str, ExportProgress] = {}
        self._checksums = checksums
        shared.scheduler.register("export", self)

    def list_formats(self) -> ExportFormatList:
        """Return every format, the unavailable ones with their reason."""
        return ExportFormatList(formats=list_formats())

    def list_exports(self, project_id: str) -> ExportList:
        """Return the exports of a project, newest first."""
        self._lookup.find_project(project_id)
        return ExportList(exports=self._stores.exports.read_all(project_id))

    def get_export(self, project_id: str, export_id: str) -> ExportRecord:
        """Return an export; raises NotFoundError."""
        self._lookup.find_project(project_id)
        try:
            return self._stores.exports.read(project_id, export_id)
        except (FileNotFoundError, UnsafePathError):
            msg = f"There is no export {export_id} in this project."
            raise NotFoundError(msg) from None
        except CorruptDocumentError as error:
            raise unusable(f"The export {export_id}", error, NotFoundError) from error

    def create_export(self, project_id: str, request: ExportRequest) -> ExportRecord:
        """Queue an export; its certificate compares predictions on images of the experiment's split.

        Raises ConflictError, CheckpointNotFoundError, ExportFormatUnavailableError, and DatasetNotImportedError or
        SplitNotFoundError without the images.
        """
        _require_format(request.format)
        _check_input_shape(request.options.input_shape)
        with self._gate.enter(project_id):
            record = self._lookup.find_experiment(project_id, request.experiment_id)
            require_completed(record, "exported")
            checkpoint = self._lookup.find_checkpoint(project_id, record, request.checkpoint)
            self._lookup.find_split(project_id, record.split_name)
            export = ExportRecord(
                id=new_id("export"),
                run_id=record.current_run_id,
                created_at=utc_now(),
                job_id=new_id("job"),
                **dict(request),
            )
            payload = self._build_payload(project_id, record, export, checkpoint)
            directory = self._stores.exports.create(project_id, export)
            try:
                self._scheduler.submit(
                    "export",
                    project_id,
                    payload,
                    directory,
                    subject={"experiment_id": record.id, "export_id": export.id},
                    devices=["cpu"],
                    job_id=export.job_id,
                )
            except OSError:
                self._stores.exports.delete(project_id, export.id)
                raise
        return export

    def delete_export(self, project_id: str, export_id: str) -> ExportDeleted:
        """Delete an export with its files; raises ConflictError while it runs."""
        with self._gate.enter(project_id):
            if self._is_active(self.get_export(project_id, export_id)):
                msg = "This export is running. Cancel it or wait until it is finished."
                raise ConflictError(msg)
            self._stores.exports.delete(project_id, export_id)
        announce_change(self._bus, project_id, "export", export_id, "deleted")
        return ExportDeleted(project_id=project_id, export_id=export_id)

    def model_path(self, project_id: str, export_id: str) -> Path:
        """Return the exported file; raises ConflictError when it is not complete, or not the one that was certified."""
        export = self._require_finished(project_id, export_id)
        path = self._existing(project_id, export_id, export.output_file or "")
        self._checksums.require(path, export.checksum)
        return path

    def bundle_path(self, project_id: str, export_id: str) -> Path:
        """Return the bundle; raises ConflictError when it is not complete, or not the one that was written."""
        export = self._require_finished(project_id, export_id)
        path = self._existing(project_id, export_id, "bundle.zip")
        self._checksums.require(path, export.bundle_checksum)
        return path

    def read_certificate(self, project_id: str, export_id: str) -> ParityCertificate:
        """Return the certificate, of a refused export too; raises NotFoundError."""
        self.get_export(project_id, export_id)
        certificate = self._stores.exports.read_certificate(project_id, export_id)
        if certificate is None:
            msg = "This export has no certificate yet."
            raise NotFoundError(msg)
        return certificate

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

    def _build_payload(
        self, project_id: str, record: ExperimentRecord, export: ExportRecord, checkpoint: Path
    ) -> ExportPayload:
        spec = self._lookup.find_spec(project_id)
        licences = {architecture.id: architecture.licence for architecture in spec.info.architectures}
        evaluation = self._stores.evaluations.read_completed(project_id, record.id)
        is_measured = (
            evaluation is not None
            and evaluation.status == "completed"
            and evaluation.run_id == record.current_run_id
            and evaluation.checkpoint == export.checkpoint
        )
        subsets = list(evaluation.split_subsets) if evaluation is not None and is_measured else None
        return ExportPayload(
            task=spec.id,
            experiment_id=record.id,
            run_id=record.current_run_id or "",
            export_id=export.id,
            checkpoint_path=str(checkpoint),
            dataset=locate_dataset(self._stores, project_id, self._settings),
            split_name=record.split_name,
            split_subsets=subsets or self._choose_subsets(project_id, record),
            format=export.format,
            options=export.options,
            measurements=find_measurements(
                self._stores, project_id, record, export.checkpoint, evaluation if is_measured else None
            ),
            licence=licences.get(record.model.backbone, "unknown"),
        )

    def _choose_subsets(self, project_id: str, record: ExperimentRecord) -> list[Subset]:
        table, index = self._lookup.find_split(project_id, record.split_name)
        present = {image.split[index] for image in table.images}
        return [next(subset for subset in SUBSET_PREFERENCE if subset in present)]

    def _is_active(self, export: ExportRecord) -> bool:
        """Ask the job as well: a full disk may have kept its end from being written."""
        if export.status not in ACTIVE_STATUSES:
            return False
        try:
            return self._scheduler.get(export.job_id or "").status not in TERMINAL_JOB_STATUSES
        except NotFoundError:
            return True

    def _require_finished(self, project_id: str, export_id: str) -> ExportRecord:
        export = self.get_export(project_id, export_id)
        if export.status != "completed":
            msg = f"This export is {export.status}; there is nothing to download."
            raise ConflictError(msg)
        return export

    def _existing(self, project_id: str, export_id: str, name: str) -> Path:
        try:
            path = self._stores.exports.file_path(project_id, export_id, name)
        except UnsafePathError as error:
            raise NotFoundError(str(error)) from error
        if not path.is_file():
            msg = f"The file {name!r} of this export no longer exists. Export the model again."
            raise NotFoundError(msg)
        return path


def _require_format(name: str) -> None:
    for known in list_formats():
        if known.name == name:
            if not known.available:
                msg = f"The format {known.display_name} is not available: {known.reason}"
                raise ExportFormatUnavailableError(msg)
            return
    names = ", ".join(known.name for known in list_formats())
    msg = f"Unknown format {name!r}. Formats: {names}."
    raise ExportFormatUnavailableError(msg)


def _check_input_shape(shape: list[int] | None) -> None:
    if shape is None:
        return
    is_valid = shape[:2] == [1, 3] and all(16 <= side <= 2048 for side in shape[2:])
    if not is_valid:
        raise invalid_field("options.input_shape", "Must be [1, 3, height, width] with sides from 16 to 2048 pixels.")
