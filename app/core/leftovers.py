"""Removes what killed runs, abandoned uploads and ended jobs left: at the start, and by age while the server runs.

Nothing that a living job works with is touched, nothing on a read-only disk, and never a document or a log, but for
those of jobs that ended long ago and that nothing points to. It also fills the reserve of the disk again
(`storage/reserve.py`) once there is room.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from app.core.boundaries import skipping
from app.core.exceptions import NotFoundError
from app.core.jobs.scheduler import JobScheduler
from app.core.old_jobs import list_unneeded_jobs
from app.core.stores import Stores
from app.schemas.jobs import TERMINAL_JOB_STATUSES
from app.schemas.system import HeldSpace
from app.storage.cache import Cache
from app.storage.documents import DocumentStore
from app.storage.leftovers import Leftover, LeftoverKind, find_leftovers
from app.storage.writability import explain_read_only

logger = logging.getLogger(__name__)
SWEEP_EVERY_S = 3600.0
FILL_EVERY_S = 60.0
HOUR_S = 3600.0
MAX_NAMES = 5
# How long it lies untouched before it is removed. What was set aside is kept for a person to look at.
AGES_S: dict[LeftoverKind, float] = {
    "half_written": HOUR_S,
    "staging": HOUR_S,
    "trash": HOUR_S,
    "upload": 24 * HOUR_S,
    "job_file": 24 * HOUR_S,
    "download": HOUR_S,
}
JOB_AGE_S = 7 * 24 * HOUR_S  # after its end
HELD_KEPT_S = 60.0
TITLES: dict[LeftoverKind, str] = {
    "half_written": "half-written files",
    "upload": "uploads that were not imported",
    "staging": "unfinished imports",
    "job_file": "temporary files of jobs",
    "download": "partial downloads of weights",
    "trash": "deleted files that are not yet removed",
    "set_aside": "damaged files that were moved to .corrupt",
}


class LeftoverService:
    """Sweeps in a thread of its own; `clock` is for tests."""

    def __init__(
        self,
        stores: Stores,
        scheduler: JobScheduler,
        clock: Callable[[], float] = time.time,
        weights_dir: Path | None = None,
    ) -> None:
        self._stores = stores
        self._scheduler = scheduler
        self._weights_dir = weights_dir
        self._clock = clock
        self._started = 0.0
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def note_start(self) -> None:
        """Say that the workspace was just taken: what was half written before is nobody's."""
        self._started = self._clock()

    def start(self) -> None:
        """Sweep now and then every hour; no page waits for it."""
        self._stopped.clear()
        self._thread = threading.Thread(target=self._sweep_often, name="leftovers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin no further sweep, and wait for the removal of one entry at most."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(1.0)
            self._thread = None

    def sweep(self) -> int:
        """Remove what is old enough and in nobody's use; return how many bytes that was."""
        if explain_read_only(self._stores.paths.root):
            return 0
        num_bytes = 0
        for leftover in find_leftovers(self._stores.documents, self._weights_dir):
            if self._stopped.is_set():
                break
            if self._is_due(leftover):
                with skipping(f"The leftover {leftover.path}"):
                    num_bytes += _remove(leftover)
        self._forget_jobs()
        if num_bytes:
            logger.info("Removed %.1f MiB that killed or abandoned work had left", num_bytes / 2**20)
        return num_bytes

    def _forget_jobs(self) -> None:
        """Remove ended jobs that nothing points to any more, with their folders."""
        for job in list_unneeded_jobs(self._stores, self._scheduler.list_jobs(), self._clock() - JOB_AGE_S):
            if self._stopped.is_set():
                break
            with skipping(f"The folder of the job {job.id}"):
                self._scheduler.forget_job(job.id)

    def _sweep_often(self) -> None:
        while not self._stopped.is_set():
            with skipping("A sweep of leftovers"):
                self.sweep()
            deadline = time.monotonic() + SWEEP_EVERY_S
            while time.monotonic() < deadline and not self._stopped.wait(FILL_EVERY_S):
                with skipping("The reserve of the disk"):
                    self._stores.documents.reserve.fill()

    def _is_due(self, leftover: Leftover) -> bool:
        age_s = AGES_S.get(leftover.kind)
        if age_s is None:
            return False
        is_old = leftover.changed < self._clock() - age_s
        if leftover.kind == "half_written":
            return is_old or leftover.changed < self._started
        return is_old and not self._is_in_use(leftover)

    def _is_in_use(self, leftover: Leftover) -> bool:
        """Return whether a job that has not ended needs it; asked anew for each, because jobs start meanwhile."""
        if leftover.kind == "upload":
            living = (job for job in self._scheduler.list_jobs() if job.status not in TERMINAL_JOB_STATUSES)
            return any(job.subject.get("upload_id") == leftover.owner for job in living)
        if leftover.kind not in {"staging", "job_file"}:
            return False
        try:
            return self._scheduler.get(leftover.owner).status not in TERMINAL_JOB_STATUSES
        except NotFoundError:  # its job.json cannot be read, and it may be wanted when it can
            return leftover.kind == "job_file"


class HeldSpaces:
    """What leftovers hold, counted anew at most once a minute: it takes a walk through every folder of them."""

    def __init__(
        self, documents: DocumentStore, weights_dir: Path | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._documents = documents
        self._weights_dir = weights_dir
        self._counted: Cache[None, list[HeldSpace]] = Cache(clock=clock)

    def count(self) -> list[HeldSpace]:
        """Return how much room each kind holds, as of the last minute; one caller counts, the others wait for it."""
        return self._counted.get(None, lambda: list_held(self._documents, self._weights_dir), max_age_s=HELD_KEPT_S)


def list_held(documents: DocumentStore, weights_dir: Path | None = None) -> list[HeldSpace]:
    """Return how much room is held by what nobody asked to keep, the largest first; work in progress is part of it."""
    sizes: dict[LeftoverKind, list[tuple[int, str]]] = {}
    for leftover in find_leftovers(documents, weights_dir):
        is_inside = leftover.path.is_relative_to(documents.paths.root)
        name = documents.show_path(leftover.path) if is_inside else str(leftover.path)
        sizes.setdefault(leftover.kind, []).append((leftover.count_bytes(), name))
    held = [
        HeldSpace(
            kind=kind,
            title=TITLES[kind],
            num_bytes=sum(size for size, _ in entries),
            num_entries=len(entries),
            largest=[path for _, path in sorted(entries, reverse=True)[:MAX_NAMES]],
        )
        for kind, entries in sizes.items()
    ]
    return sorted(held, key=lambda item: item.num_bytes, reverse=True)


def describe_held(held: Iterable[HeldSpace]) -> str:
    """Return the amounts as a sentence."""
    parts = [f"{item.title} {item.num_bytes / 2**20:.1f} MiB" for item in held]
    return f"Leftover files: {', '.join(parts)}." if parts else "No leftover files."


def _remove(leftover: Leftover) -> int:
    num_bytes = leftover.count_bytes()
    if leftover.path.is_dir() and not leftover.path.is_symlink():
        shutil.rmtree(leftover.path)
    else:
        leftover.path.unlink(missing_ok=True)
    return num_bytes
