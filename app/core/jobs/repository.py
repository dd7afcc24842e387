"""job.json and request.json of every job. No processes and no order of things."""

from __future__ import annotations

import shutil
from pathlib import Path

from app.durable import make_directory
from app.schemas.common import ProjectId
from app.schemas.jobs import JobRecord, JobRequest
from app.storage.documents import DocumentStore
from app.storage.job_documents import check_subject
from app.storage.json_store import CorruptDocumentError, UnreadableDocumentError, write_model
from app.storage.paths import WorkspacePaths


class JobRepository:
    """Where jobs are kept: one directory each, under its project."""

    def __init__(self, paths: WorkspacePaths, documents: DocumentStore | None = None) -> None:
        self._paths = paths
        self._documents = documents or DocumentStore(paths)
        self._refused: list[Path] = []

    def job_dir(self, project_id: ProjectId, job_id: str) -> Path:
        """The job's directory."""
        return self._paths.job_dir(project_id, job_id)

    def create(self, record: JobRecord, request: JobRequest) -> None:
        """Write both documents of a new job; on an OSError nothing stays behind."""
        directory = self.job_dir(record.project_id, record.id)
        make_directory(directory, below=self._paths.project_dir(record.project_id))
        try:
            write_model(directory / "request.json", request)
            write_model(directory / "job.json", record)
        except OSError:
            shutil.rmtree(directory, ignore_errors=True)
            raise

    def save(self, record: JobRecord) -> None:
        """Write job.json; raises OSError, also when the project was deleted meanwhile."""
        write_model(self.job_dir(record.project_id, record.id) / "job.json", record)

    def remove(self, record: JobRecord) -> None:
        """Remove the job's directory as far as the disk lets it."""
        shutil.rmtree(self.job_dir(record.project_id, record.id), ignore_errors=True)

    def load_all(self) -> list[JobRecord]:
        """Read every job of the workspace; what is damaged is set aside, what cannot be read is named."""
        return self._load(self._documents.list_directories(self._paths.projects_dir, "proj"))

    def load_refused(self) -> list[JobRecord]:
        """Read again the jobs of the projects in which the disk refused to read one the last time."""
        return self._load(self._refused) if self._refused else []

    def _load(self, projects: list[Path]) -> list[JobRecord]:
        records, self._refused = [], []
        for project in projects:
            directories = self._documents.list_directories(project / "jobs", "job")
            is_refused = self._documents.is_refused(project / "jobs")
            for directory in directories:
                try:
                    records.append(self._documents.read(directory / "job.json", JobRecord, check_subject))
                except UnreadableDocumentError as error:
                    is_refused = is_refused or error.is_of_disk
                except (FileNotFoundError, CorruptDocumentError):
                    continue
            if is_refused:
                self._refused.append(project)
        return records
