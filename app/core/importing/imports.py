"""Imports: uploads, and the job that builds a dataset beside the workspace and moves it into place."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from app.core.collaborators import Collaborators
from app.core.exceptions import ConflictError, NotFoundError, invalid_field
from app.core.importing.sources import DEADLINE_GRACE_S, check_format, find_upload, make_limits, resolve_source
from app.datasets.samples import Sample
from app.durable import make_directory
from app.schemas.common import new_id
from app.schemas.datasets import (
    ImportLocal,
    ImportOptions,
    ImportStarted,
    UploadReceived,
    UploadRemoved,
)
from app.schemas.jobs import TERMINAL_JOB_STATUSES
from app.schemas.payloads import ImportPayload
from app.schemas.splits import SplitCreate
from app.storage.paths import UnsafePathError
from app.storage.uploads import UploadStore


class ImportService:
    """Receives uploads and starts imports."""

    def __init__(self, shared: Collaborators) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._uploads = UploadStore(shared.stores.paths)
        self._bus = shared.bus
        self._scheduler = shared.scheduler
        self._gate = shared.gate
        self._limits = make_limits(shared.settings, shared.settings.import_timeout_s, "AI_STUDIO_IMPORT_TIMEOUT_S")
        self._max_run_s = shared.settings.import_timeout_s + DEADLINE_GRACE_S

    def import_local(self, project_id: str, request: ImportLocal) -> ImportStarted:
        """Start an import from this machine; raises ConflictError when there is a dataset or another import."""
        self._lookup.find_project(project_id)
        source = resolve_source(request.source_path, self._stores.paths.root)
        with self._gate.enter(project_id):
            payload = self._payload(project_id, str(source), str(source), request.source_format, request.options)
            return self._submit(project_id, payload.model_copy(update={"mode": request.mode}), {})

    def import_sample(self, project_id: str, sample: Sample, split: SplitCreate) -> ImportStarted:
        """Start an import of images that its job writes itself, with a split; raises ConflictError as the others do."""
        with self._gate.enter(project_id):
            payload = self._payload(project_id, "", sample.title, None, ImportOptions())
            changes = {"sample_writer": sample.writer, "split": split}
            return self._submit(project_id, payload.model_copy(update=changes), {"sample": sample.project_name})

    def receive_upload(
        self,
        project_id: str,
        files: Iterable[tuple[str, BinaryIO]],
        upload_id: str | None,
        source_format: str | None,
        is_final: bool,
        options: ImportOptions,
    ) -> UploadReceived:
        """Store a batch of files; with `is_final` start the import of everything under this upload."""
        self._lookup.find_project(project_id)
        check_format(self._lookup, project_id, source_format)
        begins = upload_id is None
        if upload_id is not None:
            find_upload(self._uploads, project_id, upload_id)
        upload_id = upload_id or new_id("upload")
        for name, stream in files:
            try:
                self._uploads.store_file(project_id, upload_id, name, stream, begins=begins)
                begins = False
            except UnsafePathError as error:
                raise invalid_field("files", str(error)) from error
        num_files = self._uploads.count_files(project_id, upload_id)
        if not is_final:
            return UploadReceived(upload_id=upload_id, num_files=num_files)
        if num_files == 0:
            raise invalid_field("files", "The upload contains no files.")
        source = self._uploads.find_source(project_id, upload_id)
        label = source.name if source.is_file() else f"upload of {num_files} files"
        with self._gate.enter(project_id):
            payload = self._payload(project_id, str(source), label, source_format, options)
            started = self._submit(project_id, payload, {"upload_id": upload_id})
        return UploadReceived(upload_id=upload_id, num_files=num_files, job_id=started.job_id)

    def remove_upload(self, project_id: str, upload_id: str) -> UploadRemoved:
        """Remove the files of an upload that is not to be imported; raises NotFoundError, or ConflictError in use."""
        self._lookup.find_project(project_id)
        with self._gate.enter(project_id):
            find_upload(self._uploads, project_id, upload_id)
            for job in self._scheduler.list_jobs():
                if job.subject.get("upload_id") != upload_id or job.status in TERMINAL_JOB_STATUSES:
                    continue
                if not job.is_work:
                    self._scheduler.cancel(job.id)  # a dry run of it
                else:
                    msg = f"The upload is being imported ({job.id}). Cancel the import instead."
                    raise ConflictError(msg)
            self._uploads.remove(project_id, upload_id)
        return UploadRemoved(upload_id=upload_id)

    def problems_path(self, project_id: str) -> Path:
        """Return the table of every problem of the dataset's import, or of the last one that failed; NotFoundError."""
        self._lookup.find_project(project_id)
        paths = self._stores.paths
        has_dataset = self._stores.datasets.has_dataset(project_id)
        path = paths.dataset_problems_file(project_id) if has_dataset else paths.failed_problems_file(project_id)
        if not path.is_file():
            msg = "The last import had no problems, or the dataset was cleared since."
            raise NotFoundError(msg)
        return path

    def _payload(
        self, project_id: str, source: str, label: str, source_format: str | None, options: ImportOptions
    ) -> ImportPayload:
        check_format(self._lookup, project_id, source_format)
        spec = self._lookup.find_spec(project_id)
        return ImportPayload(
            dataset_id=new_id("dataset"),
            task=spec.id,
            annotation_kind=spec.info.annotation_kind,
            allowed_formats=list(spec.info.import_formats),
            source_path=source,
            source_label=label,
            source_format=source_format,
            mode="copy",
            options=options,
            limits=self._limits,
            workspace=str(self._stores.paths.root),
        )

    def _submit(self, project_id: str, payload: ImportPayload, subject: dict[str, str]) -> ImportStarted:
        self._refuse_second(project_id)
        job_id = new_id("job")
        staging = self._stores.paths.staging_dir(project_id, job_id)
        make_directory(staging)
        self._scheduler.submit(
            "import",
            project_id,
            payload,
            staging,
            subject={"dataset_id": payload.dataset_id, **subject},
            devices=[],
            job_id=job_id,
            max_run_s=self._max_run_s,
        )
        return ImportStarted(job_id=job_id)

    def _refuse_second(self, project_id: str) -> None:
        if self._stores.datasets.has_dataset(project_id):
            msg = "This project has a dataset already. Clear it first, then import again."
            raise ConflictError(msg)
        for job in self._scheduler.list_jobs():
            if job.project_id == project_id and job.kind == "import" and job.status not in TERMINAL_JOB_STATUSES:
                msg = f"An import is already running in this project ({job.id})."
                raise ConflictError(msg)
