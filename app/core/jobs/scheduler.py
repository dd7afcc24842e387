"""Which job runs when: submission, capacity, transitions, cancellation, recovery. Knows nothing of what a job does.

A job ends in this order: its observer updates documents, job.json is written, the new state becomes visible, JOB_STATUS
is published, its place is given to the next.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.config import Settings
from app.core.announcing import announce
from app.core.boundaries import skipping
from app.core.events import EventBus
from app.core.exceptions import ConflictError, NotFoundError
from app.core.jobs.forwarding import EventForwarder
from app.core.jobs.job_run import JobRun
from app.core.jobs.observers import JobObserver, ObserverTable
from app.core.jobs.outcome import Outcome, failed, interrupted
from app.core.jobs.process import ChildProcess
from app.core.jobs.queue import JobQueue, check_transition
from app.core.jobs.recovery import recover_outcome
from app.core.jobs.repository import JobRepository
from app.core.jobs.spare import WarmSpare
from app.schemas.common import StrictModel, new_id, utc_now
from app.schemas.events import AnyEvent, JobProgressed, JobStatusChanged
from app.schemas.jobs import TERMINAL_JOB_STATUSES, JobCommand, JobProgress, JobRecord, JobRequest
from app.schemas.system import SpareHealth
from app.storage.documents import DocumentStore
from app.storage.paths import WorkspacePaths
from app.storage.writability import explain_problem

# Their engines need little of what a spare has loaded.
COLD_KINDS = frozenset({"import", "check"})
CATCH_UP_EVERY_S = 2.0


class JobScheduler:
    """All jobs of a workspace. Thread-safe."""

    def __init__(
        self,
        paths: WorkspacePaths,
        bus: EventBus,
        settings: Settings,
        worker_arguments: Sequence[str] = (),
        documents: DocumentStore | None = None,
    ) -> None:
        """`worker_arguments` go to every child, e.g. another table of handlers; `documents` names bad records."""
        self._bus = bus
        self._root = paths.root
        self._settings = settings
        self._worker_arguments = worker_arguments
        self._documents = documents = documents or DocumentStore(paths)
        self._repository = JobRepository(paths, documents)
        self._spare = WarmSpare(paths.root, settings.warm_spare, worker_arguments, settings.warm_spare_idle_s)
        self._observers = ObserverTable(documents.reserve)
        self._stopping = threading.Event()
        self._writer: threading.Thread | None = None
        self._changed = threading.Condition(threading.RLock())  # guards everything below
        self._records: dict[str, JobRecord] = {}
        self._queue = JobQueue()
        self._last_order = 0
        self._runs: dict[str, JobRun] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._arriving: set[str] = set()  # submitted, and not in the queue yet
        self._ending: set[str] = set()
        self._accepts_starts = False

    def register(self, kind: str, observer: JobObserver) -> None:
        """Set who learns of the jobs of a kind; before `start`."""
        self._observers.register(kind, observer)

    def start(self) -> None:
        """Settle what a former server left, let the observers recover, take up its queue, and begin to start jobs."""
        records = self.load()
        for record in sorted(records, key=lambda each: each.queue_order):
            with skipping(f"The job {record.id}"):
                self._settle(record)
        self._observers.recover(self._list_living())
        with self._changed:
            self._accepts_starts = True
        self._stopping.clear()
        self._writer = threading.Thread(target=self._catch_up_often, name="owed writes", daemon=True)
        self._writer.start()
        self._spare.start()
        self._start_ready()

    def _list_living(self) -> frozenset[str]:
        with self._changed:
            return frozenset(job.id for job in self._records.values() if job.status not in TERMINAL_JOB_STATUSES)

    def load(self) -> list[JobRecord]:
        """Read the jobs of the workspace and start none: all that is done on a read-only disk. Return them."""
        records = self._repository.load_all()
        with self._changed:
            self._records.update({record.id: record for record in records})
            self._last_order = max((record.queue_order for record in records), default=0)
        return records

    def _take_up_refused(self) -> None:
        """Take up the jobs of a former server that the disk refused to read when this one started."""
        for record in self._repository.load_refused():
            with self._changed:
                if record.id in self._records:
                    continue
                self._records[record.id] = record
                self._last_order = max(self._last_order, record.queue_order)
            with skipping(f"The job {record.id}"):
                self._settle(record)
                self._start_ready()

    def _settle(self, record: JobRecord) -> None:
        """Do with a job of the former server what its state asks for."""
        if record.status == "running":
            self._finish(record.id, recover_outcome(record, self._job_dir(record), self._forwarder(record)))
        elif record.status == "pending" and record.is_service:
            self._finish(record.id, interrupted())
        elif record.status == "pending":
            with self._changed:
                self._queue.add(record)

    def stop(self, timeout_s: float = 3.0) -> None:
        """End running jobs as interrupted within about this time; pending ones stay pending for the next server."""
        with self._changed:
            self._accepts_starts = False
            runs, threads = list(self._runs.values()), list(self._threads.values())
        self._spare.stop()
        for run in runs:
            run.end("shutdown", ask_s=0.5 * timeout_s, terminate_s=0.25 * timeout_s)
        deadline = time.monotonic() + timeout_s + 2.0
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._stopping.set()
        if self._writer is not None:
            self._writer.join(1.0)
            self._writer = None

    def submit(  # noqa: PLR0913 - what a job is, each by its name
        self,
        kind: str,
        project_id: str,
        payload: StrictModel,
        output_dir: Path,
        *,
        subject: dict[str, str],
        devices: list[str],
        job_id: str | None = None,
        is_service: bool = False,
        max_run_s: float | None = None,
    ) -> JobRecord:
        """Queue a job and return its record; it starts by itself. Raises OSError, after which nothing was queued."""
        job_id = job_id or new_id("job")
        with self._changed:
            self._last_order += 1
            order = self._last_order
        record = JobRecord(
            id=job_id,
            kind=kind,
            project_id=project_id,
            subject=subject,
            devices=devices,
            created_at=utc_now(),
            queue_order=order,
            is_service=is_service,
            max_run_s=max_run_s,
        )
        request = JobRequest(
            job_id=job_id,
            kind=kind,
            project_id=project_id,
            job_dir=str(self._job_dir(record)),
            output_dir=str(output_dir),
            payload=payload.model_dump(mode="json"),
        )
        self._repository.create(record, request)
        with self._changed:
            self._records[job_id] = record
            self._arriving.add(job_id)
        # Nobody may start it before its first event is out. That waits for the disk, so nobody is kept waiting for it.
        self._publish_status(record)
        with self._changed:
            self._arriving.discard(job_id)
            self._queue.add(record)
            self._changed.notify_all()
        self._start_ready()
        return record

    def get(self, job_id: str) -> JobRecord:
        """Return a job; raises NotFoundError."""
        with self._changed:
            record = self._records.get(job_id)
        if record is None:
            msg = f"There is no job {job_id}."
            raise NotFoundError(msg)
        return record

    def list_jobs(self) -> list[JobRecord]:
        """Return all jobs, newest first."""
        with self._changed:
            return sorted(self._records.values(), key=lambda job: (job.created_at, job.id), reverse=True)

    def list_queue(self, project_id: str | None = None, kind: str | None = None) -> list[JobRecord]:
        """Return the jobs that wait, first to start first."""
        with self._changed:
            return self._queue.list_jobs(project_id, kind)

    def move(self, job_id: str, position: int) -> list[JobRecord]:
        """Move a waiting job to this position, from 0, among those of its project and kind; return these in order.

        Raises NotFoundError, or ConflictError when the job does not wait any more.
        """
        job = self.get(job_id)
        with self._changed:
            for changed in self._queue.move(job_id, position):
                self._records[changed.id] = changed
                self._repository.save(changed)
            return self._queue.list_jobs(job.project_id, job.kind)

    def send(self, job_id: str, command: JobCommand) -> None:
        """Give a running job a command; raises NotFoundError, or ConflictError when it does not run."""
        if command == "cancel":
            self.cancel(job_id)
        else:
            self.message(job_id, {"command": command})

    def message(self, job_id: str, message: dict[str, Any]) -> None:
        """Send a running job a message; raises NotFoundError, or ConflictError when it does not run."""
        job = self.get(job_id)
        with self._changed:
            run = self._runs.get(job_id)
        if run is None:
            msg = f"Job {job_id} is {job.status}; only running jobs accept commands."
            raise ConflictError(msg)
        run.send(message)

    def cancel(self, job_id: str) -> JobRecord:
        """Cancel a job and return it as it is now: a waiting one is cancelled at once, a running one ends soon.

        May be called at any time and more than once; raises NotFoundError.
        """
        self.get(job_id)
        with self._changed:
            self._changed.wait_for(lambda: job_id not in self._arriving)
            was_waiting = self._queue.remove(job_id)
            run = self._runs.get(job_id)
        if was_waiting:
            self._finish(job_id, Outcome("cancelled"))
        elif run is not None:
            run.end("cancel", self._settings.cancel_ask_s, self._settings.cancel_terminate_s)
        return self.get(job_id)

    def cancel_project(self, project_id: str, wait_s: float) -> None:
        """Cancel every job of a project and wait for their ends; raises ConflictError when some still run then."""
        deadline = time.monotonic() + wait_s
        for job in self._unfinished(project_id):
            self.cancel(job.id)
        with self._changed:
            has_ended = self._changed.wait_for(
                lambda: not self._unfinished(project_id), max(0.0, deadline - time.monotonic())
            )
        if not has_ended:
            msg = "Jobs of this project are still stopping. Try again in a few seconds."
            raise ConflictError(msg)

    def forget_job(self, job_id: str) -> None:
        """Drop a job that has ended, with its directory; one that still goes on stays."""
        with self._changed:
            job = self._records.get(job_id)
            if job is None or not self._has_ended(job_id):
                return
            del self._records[job_id]
        self._repository.remove(job)

    def forget_project(self, project_id: str) -> None:
        """Drop the ended jobs of a project that is deleted."""
        with self._changed:
            for job in [each for each in self._records.values() if each.project_id == project_id]:
                if job.status in TERMINAL_JOB_STATUSES:
                    del self._records[job.id]

    def expect_job(self) -> None:
        """Say that somebody looks at what can start a job, so that a process is ready when it comes."""
        self._spare.want()

    def describe_spare(self) -> SpareHealth:
        """Return whether a process waits for the next job, and its memory."""
        return self._spare.describe()

    def wait(self, job_id: str, timeout_s: float) -> JobRecord:
        """Return the job once it ended and everyone was told; raises TimeoutError, NotFoundError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_ended(job_id), timeout_s):
                msg = f"Job {job_id} is still {self.get(job_id).status} after {timeout_s} s."
                raise TimeoutError(msg)
            return self.get(job_id)

    def _has_ended(self, job_id: str) -> bool:
        is_terminal = self.get(job_id).status in TERMINAL_JOB_STATUSES
        return is_terminal and job_id not in self._runs and job_id not in self._ending

    def _unfinished(self, project_id: str) -> list[JobRecord]:
        with self._changed:
            return [
                job for job in self._records.values() if job.project_id == project_id and not self._has_ended(job.id)
            ]

    def _job_dir(self, record: JobRecord) -> Path:
        return self._repository.job_dir(record.project_id, record.id)

    def _forwarder(self, record: JobRecord) -> EventForwarder:
        return EventForwarder(self._bus, record, lambda event: self._see_event(record.id, event))

    def _see_event(self, job_id: str, event: AnyEvent) -> bool:
        if isinstance(event, JobProgressed):
            progress = JobProgress(done=event.done, total=event.total, message=event.message)
            self._update(job_id, progress=progress)
        return self._observers.saw_event(self.get(job_id), event)

    def _start_ready(self) -> None:
        if len(self._queue) and explain_problem(self._root):
            return  # each would only fail; `_catch_up_often` tries again
        started = []
        with self._changed:
            while self._accepts_starts and (job := self._next_job()) is not None:
                self._queue.remove(job.id)
                silent_after_s = None if job.is_service else self._settings.silent_after_s
                directory = self._job_dir(job)
                spares = [] if job.kind in COLD_KINDS else [self._spare.take]
                child = ChildProcess(directory, self._worker_arguments, *spares)
                run = JobRun(directory, child, self._forwarder(job), silent_after_s, max_run_s=job.max_run_s)
                thread = threading.Thread(target=self._run, args=(job.id, run), name=job.id, daemon=True)
                self._runs[job.id], self._threads[job.id] = run, thread
                self._update(job.id, status="running", started_at=utc_now())
                started.append(thread)
            self._spare.set_busy(any(self._records[job_id].is_work for job_id in self._runs))
            for thread in started:  # only now: whether jobs run is known when they ask for the spare
                thread.start()

    def _next_job(self) -> JobRecord | None:
        running = [self._records[job_id] for job_id in self._runs]
        settings = self._settings
        return self._queue.next_to_start(
            running, settings.jobs_per_device, settings.concurrent_imports, settings.concurrent_checks
        )

    def _run(self, job_id: str, run: JobRun) -> None:
        outcome = failed("InternalError", "The job could not be monitored. The server's log has the details.")
        try:
            outcome = run.execute(lambda child: self._note_spawned(job_id, child))
        finally:
            self._finish(job_id, outcome)

    def _note_spawned(self, job_id: str, child: ChildProcess) -> None:
        record = self._update(job_id, pid=child.pid, process_created=child.created)
        self._save(record)
        self._observers.started(record)
        self._publish_status(record)

    def _finish(self, job_id: str, outcome: Outcome) -> None:
        before = self.get(job_id)
        check_transition(before, outcome.status)
        with self._changed:
            self._ending.add(job_id)
        record = before.model_copy(
            update={
                "status": outcome.status,
                "result": outcome.result,
                "error": outcome.error,
                "completed_at": utc_now(),
                "pid": None,
                "process_created": None,
            }
        )
        record = self._observers.finished(record)
        self._save(record)
        with self._changed:
            self._records[job_id] = record
        self._publish_status(record)
        with self._changed:
            self._runs.pop(job_id, None)
            self._threads.pop(job_id, None)
            self._ending.discard(job_id)
            self._changed.notify_all()
        self._start_ready()

    def _update(self, job_id: str, **changes: Any) -> JobRecord:
        with self._changed:
            record = self._records[job_id].model_copy(update=changes)
            self._records[job_id] = record
            return record

    def _save(self, record: JobRecord) -> None:
        """Write job.json. A disk that refuses it keeps no job from ending: later, or the next server settles it."""
        reserve = self._documents.reserve
        self._documents.followers.write(
            f"The record of job {record.id}", lambda: reserve.spend(lambda: self._repository.save(record))
        )

    def _catch_up_often(self) -> None:
        """Write what the disk refused, and start what waits for it, so that nothing has to be restarted."""
        while not self._stopping.wait(CATCH_UP_EVERY_S):
            with skipping("What the disk refused before"):
                self._take_up_refused()
                self._observers.catch_up()
                self._documents.followers.catch_up()
                self._bus.catch_up()
                self._start_ready()

    def _publish_status(self, record: JobRecord) -> None:
        event = JobStatusChanged(
            job_id=record.id,
            kind=record.kind,
            status=record.status,
            message=record.error.message if record.error is not None else "",
        )
        announce(self._bus, record.project_id, event, run_id=record.subject.get("run_id"), job_id=record.id)
