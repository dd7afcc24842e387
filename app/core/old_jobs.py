"""Which jobs that ended are still needed: a record names them, or a page says how the last one of their kind ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.core.stores import Stores
from app.schemas.common import parse_time
from app.schemas.jobs import TERMINAL_JOB_STATUSES, JobRecord
from app.storage.documents import is_there
from app.storage.json_store import CorruptDocumentError
from app.storage.paths import UnsafePathError

# Pages say how the last of these went.
_TOLD_KINDS = frozenset({"import", "probe"})


def list_unneeded_jobs(stores: Stores, jobs: Sequence[JobRecord], before: float) -> Iterator[JobRecord]:
    """Yield the jobs that ended before a time (unix seconds) and that nothing points to."""
    told = _find_told(jobs)
    for job in jobs:
        is_old = job.status in TERMINAL_JOB_STATUSES and _end_of(job) < before
        if is_old and job.id not in told and not _is_named(stores, job):
            yield job


def _end_of(job: JobRecord) -> float:
    return parse_time(job.completed_at or job.created_at).timestamp()


def _find_told(jobs: Sequence[JobRecord]) -> set[str]:
    last: dict[tuple[str, ...], JobRecord] = {}
    for job in sorted(jobs, key=lambda job: (job.created_at, job.id)):
        if job.kind in _TOLD_KINDS:
            last[job.project_id, job.kind, job.subject.get("experiment_id", "")] = job
    return {job.id for job in last.values()}


def _is_named(stores: Stores, job: JobRecord) -> bool:
    """Return whether the record of a run, evaluation or export names a job; one that cannot be read may."""
    project_id, experiment_id = job.project_id, job.subject.get("experiment_id", "")
    try:
        if job.kind == "train":
            run = stores.experiments.read_run(project_id, experiment_id, job.subject.get("run_id", ""))
            return run.job_id == job.id
        if job.kind == "export":
            return stores.exports.read(project_id, job.subject.get("export_id", "")).job_id == job.id
        if job.kind == "evaluate":
            return _is_named_by_evaluation(stores, job)
    except FileNotFoundError:
        return False
    except (OSError, CorruptDocumentError, UnsafePathError):
        return True
    return False


def _is_named_by_evaluation(stores: Stores, job: JobRecord) -> bool:
    place = job.project_id, job.subject.get("experiment_id", "")
    folders = (stores.paths.evaluation_dir(*place), stores.paths.next_evaluation_dir(*place))
    records = (stores.evaluations.read_last(*place), stores.evaluations.read_attempt(*place))
    for folder, record in zip(folders, records, strict=True):
        if record is None and is_there(folder / "evaluation.json"):
            return True
        if record is not None and record.job_id == job.id:
            return True
    return False
