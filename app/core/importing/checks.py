"""Dry runs of imports: each is a job with limits, and its report is kept until the next one of the project."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.collaborators import Collaborators
from app.core.exceptions import NotFoundError, TooManyChecksError
from app.core.importing.sources import DEADLINE_GRACE_S, check_format, find_upload, make_limits, resolve_source
from app.datasets.formats.report.check import REPORT_NAME
from app.datasets.formats.report.previews import PREVIEWS_DIR
from app.datasets.formats.report.problem_file import PROBLEMS_NAME
from app.durable import make_directory
from app.schemas.common import new_id
from app.schemas.datasets import CheckState, ImportCheck
from app.schemas.events import AnyEvent
from app.schemas.import_report import ImportProblem, ImportReport
from app.schemas.jobs import TERMINAL_JOB_STATUSES, JobRecord
from app.schemas.payloads import CheckPayload
from app.storage.json_store import CorruptDocumentError, read_model, write_model
from app.storage.paths import UnsafePathError, contained
from app.storage.uploads import UploadStore

KIND = "check"
# A dry run that nobody has asked for so long is given up: its page was closed, its script has ended.
ABANDONED_S = 60.0
STOP_WAIT_S = 10.0
# One that starts, and one that will replace it.
MAX_STARTS_OF_PROJECT = 2
# Many times what a report of the names that it may hold has.
MAX_REPORT_BYTES = 32 * 2**20


class ImportCheckService:
    """Starts dry runs and hands out their reports; observes jobs of the kind `check`."""

    def __init__(self, shared: Collaborators) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._uploads = UploadStore(shared.stores.paths)
        self._scheduler = shared.scheduler
        self._gate = shared.gate
        self._max_run_s = shared.settings.check_timeout_s + DEADLINE_GRACE_S
        self._max_checks = shared.settings.concurrent_checks + shared.settings.waiting_checks
        self._limits = make_limits(shared.settings, shared.settings.check_timeout_s, "AI_STUDIO_CHECK_TIMEOUT_S")
        self._asked_at: dict[str, float] = {}
        self._mutex = threading.Lock()
        self._starts: Counter[str] = Counter()  # by project: requests that have a place and are no job yet
        shared.scheduler.register(KIND, self)

    def start_check(self, project_id: str, request: ImportCheck) -> CheckState:
        """Start a dry run in place of an older one of the project.

        Raises ValidationFailedError for a missing source, TooManyChecksError when too many wait already.
        """
        spec = self._lookup.find_spec(project_id)
        if request.upload_id is not None:
            source = find_upload(self._uploads, project_id, request.upload_id)
        else:
            source = resolve_source(request.source_path or "", self._stores.paths.root)
        check_format(self._lookup, project_id, request.source_format)
        payload = CheckPayload(
            annotation_kind=spec.info.annotation_kind,
            allowed_formats=list(spec.info.import_formats),
            source_path=str(source),
            source_format=request.source_format,
            options=request.options,
            limits=self._limits,
            workspace=str(self._stores.paths.root),
        )
        with self._starting(project_id), self._gate.enter(project_id):
            self._lookup.find_project(project_id)
            self._drop_older(project_id)
            return self._submit(project_id, request, payload)

    def get_state(self, project_id: str, job_id: str) -> CheckState:
        """Return how far a dry run is, with its report once it is done; raises NotFoundError."""
        job = self._find_job(project_id, job_id)
        if job.status not in TERMINAL_JOB_STATUSES:
            self._asked_at[job_id] = time.monotonic()
        return CheckState(job_id=job.id, status=job.status, progress=job.progress, report=self._find_report(job))

    def get_request(self, project_id: str, job_id: str) -> ImportCheck:
        """Return what a dry run was asked for; raises NotFoundError."""
        job = self._find_job(project_id, job_id)
        try:
            return read_model(self._stores.paths.check_dir(project_id, job.id) / "check.json", ImportCheck)
        except (OSError, CorruptDocumentError):
            raise _not_there(job_id) from None

    def problems_path(self, project_id: str, job_id: str) -> Path:
        """Return the table of every problem that a dry run found; raises NotFoundError when there is none."""
        path = self._stores.paths.check_dir(project_id, self._find_job(project_id, job_id).id) / PROBLEMS_NAME
        if not path.is_file():
            msg = f"The preview {job_id} found no problems."
            raise NotFoundError(msg)
        return path

    def preview_path(self, project_id: str, job_id: str, name: str) -> Path:
        """Return a picture that a dry run drew; raises NotFoundError."""
        directory = self._stores.paths.check_dir(project_id, self._find_job(project_id, job_id).id) / PREVIEWS_DIR
        try:
            return contained(directory, name)
        except UnsafePathError:
            msg = f"The check {job_id} has no picture {name!r}."
            raise NotFoundError(msg) from None

    def stop_project(self, project_id: str) -> None:
        """Cancel the dry runs of a project that is deleted, and wait for their ends."""
        if self._checks_of(project_id):
            self._scheduler.cancel_project(project_id, STOP_WAIT_S)

    def on_started(self, job: JobRecord) -> None:
        """Nothing to record."""

    def on_event(self, job: JobRecord, event: AnyEvent) -> bool:
        """Give up a dry run that nobody asks for any more."""
        asked_at = self._asked_at.get(job.id)
        if asked_at is not None and time.monotonic() - asked_at > ABANDONED_S:
            self._scheduler.cancel(job.id)
        return True

    def on_finished(self, job: JobRecord) -> None:
        """Remove what a dry run without a report left."""
        self._asked_at.pop(job.id, None)
        directory = self._stores.paths.check_dir(job.project_id, job.id)
        if job.status in ("cancelled", "interrupted"):
            shutil.rmtree(directory, ignore_errors=True)
        for unpacked in directory.glob("check-*"):
            shutil.rmtree(unpacked, ignore_errors=True)

    def recover(self, living_jobs: Collection[str]) -> None:
        """Cancel what waited for a former server, whose askers are gone, and remove what no job stands for."""
        known = set()
        for job in self._scheduler.list_jobs():
            if job.kind == KIND:
                known.add(job.id)
                self._scheduler.cancel(job.id)
        for project_id in self._stores.projects.list_ids():
            for directory in self._stores.documents.list_directories(self._stores.paths.checks_dir(project_id), "job"):
                if directory.name not in known:
                    shutil.rmtree(directory, ignore_errors=True)

    def _submit(self, project_id: str, request: ImportCheck, payload: CheckPayload) -> CheckState:
        job_id = new_id("job")
        directory = self._stores.paths.check_dir(project_id, job_id)
        make_directory(directory)
        self._asked_at[job_id] = time.monotonic()
        try:
            write_model(directory / "check.json", request)
            job = self._scheduler.submit(
                KIND,
                project_id,
                payload,
                directory,
                subject={"upload_id": request.upload_id} if request.upload_id else {},
                devices=[],
                job_id=job_id,
                max_run_s=self._max_run_s,
            )
        except OSError:
            self._asked_at.pop(job_id, None)
            shutil.rmtree(directory, ignore_errors=True)
            raise
        return CheckState(job_id=job.id, status=job.status)

    @contextmanager
    def _starting(self, project_id: str) -> Iterator[None]:
        """Hold a place for a dry run from its request on, so that many at the same moment are refused at once.

        Whoever is refused waits for no disk and no door: the threads that answer pages stay free.
        """
        with self._mutex:
            self._refuse_too_many(project_id)
            self._starts[project_id] += 1
        try:
            yield
        finally:
            with self._mutex:
                self._starts[project_id] -= 1

    def _refuse_too_many(self, project_id: str) -> None:
        """Those of the same project give way to the new one and do not count, but each takes its time to do so."""
        if self._starts[project_id] >= MAX_STARTS_OF_PROJECT:
            raise TooManyChecksError("A preview of this project is already being started. Try again in a moment.")
        jobs = self._scheduler.list_jobs()
        busy = {job.project_id for job in jobs if job.kind == KIND and job.status not in TERMINAL_JOB_STATUSES}
        busy |= {each for each, count in self._starts.items() if count}
        num_others = len(busy - {project_id})
        if num_others >= self._max_checks:
            msg = (
                f"{num_others} previews are already running or queued. Try again in a moment, "
                "or raise AI_STUDIO_CONCURRENT_CHECKS or AI_STUDIO_WAITING_CHECKS."
            )
            raise TooManyChecksError(msg)

    def _drop_older(self, project_id: str) -> None:
        for job in self._checks_of(project_id):
            self._scheduler.cancel(job.id)
            if self._scheduler.get(job.id).status in TERMINAL_JOB_STATUSES:
                shutil.rmtree(self._stores.paths.check_dir(project_id, job.id), ignore_errors=True)
                self._scheduler.forget_job(job.id)

    def _checks_of(self, project_id: str) -> list[JobRecord]:
        return [job for job in self._scheduler.list_jobs() if job.kind == KIND and job.project_id == project_id]

    def _find_job(self, project_id: str, job_id: str) -> JobRecord:
        self._lookup.find_project(project_id)
        try:
            job = self._scheduler.get(job_id)
        except NotFoundError:
            raise _not_there(job_id) from None
        if job.kind != KIND or job.project_id != project_id:
            raise _not_there(job_id)
        return job

    def _find_report(self, job: JobRecord) -> ImportReport | None:
        report = self._read_report(job)
        return None if report is None else report.model_copy(update={"check_id": job.id})

    def _read_report(self, job: JobRecord) -> ImportReport | None:
        if job.status == "failed":
            return _report_failure(job.error.message if job.error else "The server's log has the details.")
        if job.status != "completed":
            return None
        path = self._stores.paths.check_dir(job.project_id, job.id) / REPORT_NAME
        try:
            if path.stat().st_size > MAX_REPORT_BYTES:
                return _report_failure("The report of the preview is too large to be valid.")
            return read_model(path, ImportReport)
        except FileNotFoundError:
            raise _not_there(job.id) from None
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


def _not_there(job_id: str) -> NotFoundError:
    """Say what to do; the most frequent reason is a newer preview that replaced this one."""
    return NotFoundError(f"The preview {job_id[:64]} is out of date. Preview the import again.")
