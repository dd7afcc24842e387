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
from app.core.importing.check_folder import CheckFolder, not_there
from app.core.importing.sources import DEADLINE_GRACE_S, check_format, find_upload, make_limits, resolve_source
from app.durable import make_directory
from app.schemas.common import new_id
from app.schemas.datasets import CheckState, ImportCheck
from app.schemas.events import AnyEvent
from app.schemas.jobs import TERMINAL_JOB_STATUSES, JobRecord
from app.schemas.payloads import CheckPayload
from app.storage.uploads import UploadStore

KIND = "check"
# A dry run that nobody has asked for so long is given up: its page was closed, its script has ended.
ABANDONED_S = 60.0
STOP_WAIT_S = 10.0
# One that starts, and one that will replace it.
MAX_STARTS_OF_PROJECT = 2


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
        self._shown: dict[str, CheckFolder] = {}  # by project: replaced, but a page shows its pictures until the next
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
        report = self._folder(job).find_report(job)
        return CheckState(job_id=job.id, status=job.status, progress=job.progress, report=report)

    def get_request(self, project_id: str, job_id: str) -> ImportCheck:
        """Return what a dry run was asked for; raises NotFoundError."""
        return self._folder(self._find_job(project_id, job_id)).read_request()

    def problems_path(self, project_id: str, job_id: str) -> Path:
        """Return the table of every problem that a dry run found; raises NotFoundError when there is none."""
        return self._folder(self._find_job(project_id, job_id)).problems_path()

    def preview_path(self, project_id: str, job_id: str, name: str) -> Path:
        """Return a picture that a dry run drew, also the last one that was replaced; raises NotFoundError."""
        self._lookup.find_project(project_id)
        path = CheckFolder(self._stores.paths.check_dir(project_id, job_id)).preview_path(name)
        if not path.is_file():
            raise not_there(job_id)
        return path

    def stop_project(self, project_id: str) -> None:
        """Cancel the dry runs of a project that is deleted, and wait for their ends."""
        self._shown.pop(project_id, None)
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
        folder = CheckFolder(self._stores.paths.check_dir(project_id, job_id))
        make_directory(folder.path)
        self._asked_at[job_id] = time.monotonic()
        try:
            folder.write_request(request)
            job = self._scheduler.submit(
                KIND,
                project_id,
                payload,
                folder.path,
                subject={"upload_id": request.upload_id} if request.upload_id else {},
                devices=[],
                job_id=job_id,
                max_run_s=self._max_run_s,
            )
        except OSError:
            self._asked_at.pop(job_id, None)
            shutil.rmtree(folder.path, ignore_errors=True)
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
        """Forget the dry runs that a new one replaces.

        The pictures of the last report stay: a browser loads those further down when they are scrolled to, and the page
        shows that report until the new one is there.
        """
        for job in self._checks_of(project_id):
            self._scheduler.cancel(job.id)
            status = self._scheduler.get(job.id).status
            if status not in TERMINAL_JOB_STATUSES:
                continue
            if status == "completed":
                self._keep_pictures(project_id, self._folder(job))
            else:
                shutil.rmtree(self._folder(job).path, ignore_errors=True)
            self._scheduler.forget_job(job.id)

    def _keep_pictures(self, project_id: str, folder: CheckFolder) -> None:
        folder.keep_pictures()
        before = self._shown.get(project_id)
        self._shown[project_id] = folder
        if before is not None and before != folder:
            shutil.rmtree(before.path, ignore_errors=True)

    def _checks_of(self, project_id: str) -> list[JobRecord]:
        return [job for job in self._scheduler.list_jobs() if job.kind == KIND and job.project_id == project_id]

    def _find_job(self, project_id: str, job_id: str) -> JobRecord:
        self._lookup.find_project(project_id)
        try:
            job = self._scheduler.get(job_id)
        except NotFoundError:
            raise not_there(job_id) from None
        if job.kind != KIND or job.project_id != project_id:
            raise not_there(job_id)
        return job

    def _folder(self, job: JobRecord) -> CheckFolder:
        return CheckFolder(self._stores.paths.check_dir(job.project_id, job.id))
