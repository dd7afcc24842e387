"""Which job may be in which state, and which pending job starts next. Pure: no clock, no disk, no processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from app.core.exceptions import ConflictError
from app.schemas.jobs import LOOKING_KINDS, TERMINAL_JOB_STATUSES, JobRecord, JobStatus

# A job without devices takes one of these instead; the name cannot be a device's.
UNBOUND_SLOT = "(no device)"
# Jobs that only look have slots of their own, so that they keep no import waiting, nor it them.
LOOKING_SLOT = "(looking)"

_FOLLOWERS: Mapping[JobStatus, frozenset[JobStatus]] = {
    "pending": frozenset({"running", "cancelled", "failed", "interrupted"}),
    "running": TERMINAL_JOB_STATUSES,
}


def check_transition(job: JobRecord, status: JobStatus) -> None:
    """Raise ConflictError when the job cannot go from its state to this one."""
    if status not in _FOLLOWERS.get(job.status, frozenset()):
        msg = f"Job {job.id} is {job.status} and cannot become {status}."
        raise ConflictError(msg)


def required_slots(job: JobRecord) -> list[str]:
    """What a job takes while it runs: each of its devices, or one slot of those without."""
    if job.is_service:
        return []
    if job.kind in LOOKING_KINDS:
        return [LOOKING_SLOT]
    return sorted(set(job.devices)) or [UNBOUND_SLOT]


class JobQueue:
    """The pending jobs in the order in which they start."""

    def __init__(self) -> None:
        self._jobs: list[JobRecord] = []

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: JobRecord) -> None:
        """Put a job at the end."""
        self._jobs.append(job)

    def remove(self, job_id: str) -> bool:
        """Take a job out; returns whether it was waiting."""
        before = len(self._jobs)
        self._jobs = [job for job in self._jobs if job.id != job_id]
        return len(self._jobs) < before

    def list_jobs(self, project_id: str | None = None, kind: str | None = None) -> list[JobRecord]:
        """Return the waiting jobs, first to start first."""
        return [job for job in self._jobs if project_id in (None, job.project_id) and kind in (None, job.kind)]

    def move(self, job_id: str, position: int) -> list[JobRecord]:
        """Move a job to this position, from 0, among the waiting jobs of its project and kind.

        Those jobs share out the places that they had together, so no other project loses its turn. Returns the jobs
        whose order changed; raises ConflictError when the job does not wait.
        """
        moved = next((job for job in self._jobs if job.id == job_id), None)
        if moved is None:
            msg = f"Job {job_id} is not waiting in the queue."
            raise ConflictError(msg)
        peers = self.list_jobs(moved.project_id, moved.kind)
        places = [self._jobs.index(job) for job in peers]
        orders = [job.queue_order for job in peers]
        peers.remove(moved)
        peers.insert(min(max(position, 0), len(peers)), moved)
        changed: list[JobRecord] = []
        for place, order, job in zip(places, orders, peers, strict=True):
            placed = job.model_copy(update={"queue_order": order})
            self._jobs[place] = placed
            if order != job.queue_order:
                changed.append(placed)
        return changed

    def next_to_start(
        self, running: Iterable[JobRecord], jobs_per_device: int, unbound: int, looking: int = 1
    ) -> JobRecord | None:
        """Return the first waiting job whose slots are free, or None.

        A job that has to wait keeps the devices it needs from those behind it, so that one which needs two GPUs is
        not passed for ever by those which need one.
        """
        taken = Counter(slot for job in running for slot in required_slots(job))
        places = {UNBOUND_SLOT: unbound, LOOKING_SLOT: looking}
        kept: set[str] = set()
        for job in self._jobs:
            slots = required_slots(job)
            is_free = all(taken[slot] < places.get(slot, jobs_per_device) for slot in slots)
            if is_free and kept.isdisjoint(slots):
                return job
            kept.update(slots)
        return None
