"""Exports: each a job, each with a certificate that compares the file with the model."""

from __future__ import annotations

from pathlib import Path

from app.core.announcing import announce_change
from app.core.checksums import Checksums
from app.core.collaborators import Collaborators
from app.core.exceptions import ConflictError, ExportFormatUnavailableError, NotFoundError, invalid_field
from app.core.export_observer import ACTIVE_STATUSES
from app.core.export_payloads import ExportPayloads
from app.export.catalog import list_formats
from app.schemas.common import new_id, utc_now
from app.schemas.export import (
    ExportDeleted,
    ExportFormatList,
    ExportList,
    ExportRecord,
    ExportRequest,
    ParityCertificate,
)
from app.schemas.jobs import TERMINAL_JOB_STATUSES
from app.storage.paths import UnsafePathError


class ExportService:
    """Starts, shows and deletes exports."""

    def __init__(self, shared: Collaborators, checksums: Checksums) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._bus = shared.bus
        self._scheduler = shared.scheduler
        self._gate = shared.gate
        self._payloads = ExportPayloads(shared)
        self._checksums = checksums

    def list_formats(self) -> ExportFormatList:
        """Return every format, the unavailable ones with their reason."""
        return ExportFormatList(formats=list_formats())

    def list_exports(self, project_id: str) -> ExportList:
        """Return the exports of a project, newest first."""
        self._lookup.find_project(project_id)
        return ExportList(exports=self._stores.exports.read_all(project_id))

    def get_export(self, project_id: str, export_id: str) -> ExportRecord:
        """Return an export; raises NotFoundError."""
        return self._lookup.find_export(project_id, export_id)

    def create_export(self, project_id: str, request: ExportRequest) -> ExportRecord:
        """Queue an export; its certificate compares predictions on images of the experiment's split.

        Raises ConflictError, CheckpointNotFoundError, ExportFormatUnavailableError, and DatasetNotImportedError or
        SplitNotFoundError without the images.
        """
        _require_format(request.format)
        _check_input_shape(request.options.input_shape)
        with self._gate.enter(project_id):
            record = self._lookup.find_completed(project_id, request.experiment_id, "exported")
            checkpoint = self._lookup.find_checkpoint(project_id, record, request.checkpoint)
            self._lookup.find_split(project_id, record.split_name)
            export = ExportRecord(
                id=new_id("export"),
                run_id=record.current_run_id,
                created_at=utc_now(),
                job_id=new_id("job"),
                **dict(request),
            )
            payload = self._payloads.build(project_id, record, export, checkpoint)
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
