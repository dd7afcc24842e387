"""What became of a job whose server died while it ran."""

from __future__ import annotations

import logging
from pathlib import Path

from app.core.exceptions import NotFoundError
from app.core.jobs.child_log import last_lines_of_file
from app.core.jobs.event_tail import EventTail
from app.core.jobs.forwarding import EventForwarder
from app.core.jobs.outcome import Ending, Outcome, decide_outcome
from app.core.jobs.process_tree import find_process, kill_tree, list_descendants
from app.core.jobs.temporary import remove_temporary_files
from app.schemas.jobs import JobRecord

logger = logging.getLogger(__name__)
ORPHAN_WAIT_S = 3.0
FORWARD_WAIT_S = 1.0
LOG_LINES = 40


def recover_outcome(job: JobRecord, job_dir: Path, forwarder: EventForwarder) -> Outcome:
    """End what still lives of the job, pass on what it reported, and return its outcome.

    A result that was written in time counts; without one the job is interrupted.
    """
    end_orphan(job)
    try:
        forwarder.take(EventTail(job_dir / "events.jsonl").read_rest())
        forwarder.finish(FORWARD_WAIT_S)
    except (OSError, NotFoundError) as error:
        logger.error("What job %s reported cannot be read or passed on: %s", job.id, error)
    remove_temporary_files(job_dir)
    log_tail = last_lines_of_file(job_dir / "job.log", LOG_LINES)
    return decide_outcome(Ending(forwarder.result, None, "server_gone", log_tail))


def end_orphan(job: JobRecord) -> None:
    """Kill the job's process tree when it still lives; another process that got its pid is left alone."""
    process = find_process(job.pid, job.process_created) if job.pid is not None else None
    if process is not None:
        logger.warning("Process %d of job %s outlived its server and is ended", process.pid, job.id)
        kill_tree(process, list_descendants(process), ORPHAN_WAIT_S)
