"""Keeps a job that reads what a stranger wrote within its memory and its time, also inside one long call.

The loops of the work look at these limits themselves and end with a report. What is here is for a call that does not
come back to its loop: an allocation beyond the limit fails, and a process that goes on regardless ends.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from app.datasets.formats.work import LimitError, Work, describe_memory_limit, describe_time_limit
from app.first_failure import note_first_failure
from app.job_process import kill_descendants
from app.schemas.experiments import ErrorInfo

EXIT_OVER_LIMIT = 4
LOOK_S = 0.1
# So long may a call go on after the limit was reached.
GRACE_S = 5.0
# Beyond the limit: threads' stacks, heaps that are reserved and not used, libraries that come in later.
_ADDRESS_SLACK_BYTES = 512 * 2**20


@contextmanager
def guard_limits(work: Work, job_dir: Path) -> Iterator[None]:
    """Watch this process while the block runs; a MemoryError inside becomes a LimitError."""
    is_done = threading.Event()
    thread = threading.Thread(target=_watch, args=(work, job_dir, is_done), name="limits", daemon=True)
    thread.start()
    try:
        with _limited_addresses(work.limits.max_memory_bytes):
            yield
    except MemoryError as error:
        raise describe_memory_limit(work.limits, work.place) from error
    finally:
        is_done.set()
        thread.join()


def _watch(work: Work, job_dir: Path, is_done: threading.Event) -> None:
    process, limit = psutil.Process(), work.limits.max_memory_bytes
    looks_over = 0
    while not is_done.wait(LOOK_S):
        resident = process.memory_info().rss
        if resident > limit:
            work.is_over_memory = True
        looks_over = looks_over + 1 if work.is_over_memory else 0
        if looks_over * LOOK_S > GRACE_S or resident > limit + limit // 4:
            _end(job_dir, describe_memory_limit(work.limits, work.place))
        if work.seconds_over > GRACE_S:
            _end(job_dir, describe_time_limit(work.limits, work.place))


def _end(job_dir: Path, error: LimitError) -> None:
    """End the process where it stands; the server finds the reason and removes what was written."""
    note_first_failure(job_dir, ErrorInfo(type="LimitReached", message=f"{error.message} {error.fix}"))
    kill_descendants()
    os._exit(EXIT_OVER_LIMIT)


@contextmanager
def _limited_addresses(max_memory_bytes: int) -> Iterator[None]:
    """Have the system refuse an allocation far beyond the limit, where it knows how to (Linux does)."""
    if not sys.platform.startswith("linux"):
        yield
        return
    import resource

    before, most = resource.getrlimit(resource.RLIMIT_AS)
    wanted = psutil.Process().memory_info().vms + max_memory_bytes + _ADDRESS_SLACK_BYTES
    if before != resource.RLIM_INFINITY:
        wanted = min(wanted, before)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (wanted, most))
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (before, most))
