"""job.json and request.json of every job. No processes and no order of things."""

from __future__ import annotations

import contextlib
import logging
import shutil
from pathlib import Path

from app.durable import make_directory
from app.schemas.common import ProjectId
from app.schemas.jobs import JobRecord, JobRequest
from app.storage.json_store import CorruptDocumentError, read_model, set_aside, write_model
from app.storage.paths import UnsafePathError, WorkspacePaths, check_id

logger = logging.getLogger(__name__)


class JobRepository:
    """Where jobs are kept: one directory each, under its project."""

    def __init__(self, paths: WorkspacePaths) -> None:
        self._paths = paths

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

    def load_all(self) -> list[JobRecord]:
        """Read every job of the workspace; what cannot be read is set aside and logged."""
        records = []
        for path in sorted(self._paths.projects_dir.glob("proj-*/jobs/job-*/job.json")):
            try:
                record = read_model(path, JobRecord)
                self._check_place(path, record)
            except FileNotFoundError:
                continue
            except OSError as error:
                logger.error("%s cannot be read: %s", path, error)
            except (CorruptDocumentError, UnsafePathError) as error:
                with contextlib.suppress(OSError):  # a read-only disk
                    set_aside(path, self._paths.root, self._paths.corrupt_dir, str(error))
            else:
                records.append(record)
        return records

    def _check_place(self, path: Path, record: JobRecord) -> None:
        """A record that names another place than its own would be written there."""
        if path.parent.name != check_id("job", record.id) or path.parents[2].name != record.project_id:
            raise CorruptDocumentError(path, "it belongs to another directory")
