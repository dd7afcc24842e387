"""Records why the first process of a distributed job failed. Both sides use it, and it knows neither.

Only the first rank reports to the server, and whatever ends another one takes the first along. So the one that fails
leaves its reason in the job's directory, where the first rank, or the server when that was killed, finds it.
"""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import ValidationError

from app.regular_files import open_regular
from app.schemas.experiments import ErrorInfo

logger = logging.getLogger(__name__)
NAME = "first_failure.json"
MAX_BYTES = 2**20


def note_first_failure(job_dir: Path, error: ErrorInfo) -> None:
    """Write the reason, unless another process was earlier; a failed write is logged."""
    try:
        with (job_dir / NAME).open("xb") as file:
            file.write(error.model_dump_json().encode())
    except FileExistsError:
        pass
    except OSError as failure:
        logger.warning("The reason of a failure could not be left in %s: %s", job_dir, failure)


def read_first_failure(job_dir: Path) -> ErrorInfo | None:
    """Return the reason that a process left, None when there is none that can be read."""
    try:
        with open_regular(job_dir / NAME) as file:
            return ErrorInfo.model_validate_json(file.read(MAX_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as failure:
        logger.warning("The reason of a failure in %s cannot be read: %s", job_dir, failure)
        return None


def forget_first_failure(job_dir: Path) -> None:
    """Remove what an earlier process left; raises OSError."""
    (job_dir / NAME).unlink(missing_ok=True)
