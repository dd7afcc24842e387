"""The folder of a dry run: what was asked for, its report, its table of problems and its pictures."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.core.exceptions import NotFoundError
from app.datasets.formats.report.check import REPORT_NAME
from app.datasets.formats.report.previews import PREVIEWS_DIR
from app.datasets.formats.report.problem_file import PROBLEMS_NAME
from app.schemas.datasets import ImportCheck
from app.schemas.import_report import ImportProblem, ImportReport
from app.schemas.jobs import JobRecord
from app.storage.json_store import CorruptDocumentError, read_model, write_model
from app.storage.paths import UnsafePathError, contained

REQUEST_NAME = "check.json"
# Many times what a report of the names that it may hold has.
MAX_REPORT_BYTES = 32 * 2**20


@dataclass(frozen=True)
class CheckFolder:
    """Reads and writes the files of one dry run; the folder is named like its job."""

    path: Path

    def write_request(self, request: ImportCheck) -> None:
        """Keep what was asked for; raises OSError."""
        write_model(self.path / REQUEST_NAME, request)

    def read_request(self) -> ImportCheck:
        """Return what was asked for; raises NotFoundError."""
        try:
            return read_model(self.path / REQUEST_NAME, ImportCheck)
        except (OSError, CorruptDocumentError):
            raise not_there(self.path.name) from None

    def problems_path(self) -> Path:
        """Return the table of every problem; raises NotFoundError when there is none."""
        path = self.path / PROBLEMS_NAME
        if not path.is_file():
            msg = f"The preview {self.path.name} found no problems."
            raise NotFoundError(msg)
        return path

    def preview_path(self, name: str) -> Path:
        """Return a picture; raises NotFoundError for a name that leads elsewhere."""
        try:
            return contained(self.path / PREVIEWS_DIR, name)
        except UnsafePathError:
            msg = f"The check {self.path.name} has no picture {name!r}."
            raise NotFoundError(msg) from None

    def keep_pictures(self) -> None:
        """Remove everything else, as far as the disk lets it."""
        for name in (REQUEST_NAME, REPORT_NAME, PROBLEMS_NAME):
            with suppress(OSError):
                (self.path / name).unlink(missing_ok=True)

    def find_report(self, job: JobRecord) -> ImportReport | None:
        """Return the report of a dry run that ended, None before that and after a cancel; raises NotFoundError."""
        report = self._read_report(job)
        return None if report is None else report.model_copy(update={"check_id": job.id})

    def _read_report(self, job: JobRecord) -> ImportReport | None:
        if job.status == "failed":
            return _report_failure(job.error.message if job.error else "The server's log has the details.")
        if job.status != "completed":
            return None
        path = self.path / REPORT_NAME
        try:
            if path.stat().st_size > MAX_REPORT_BYTES:
                return _report_failure("The report of the preview is too large to be valid.")
            return read_model(path, ImportReport)
        except FileNotFoundError:
            raise not_there(job.id) from None
        except CorruptDocumentError as error:
            return _report_failure(str(error))


def _report_failure(message: str) -> ImportReport:
    return ImportReport(
        source_format="",
        num_images=0,
        num_annotations=0,
        classes=[],
        class_counts={},
        split_counts={},
        num_problems=1,
        problems=[ImportProblem(file="the source", message=message, fix="Try again, or import a part of the data.")],
        can_import=False,
        is_complete=False,
    )


def not_there(job_id: str) -> NotFoundError:
    """Say what to do; the most frequent reason is a newer preview that replaced this one."""
    return NotFoundError(f"The preview {job_id[:64]} is out of date. Preview the import again.")
