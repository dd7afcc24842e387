"""The logs that runs write."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from app.core.collaborators import Collaborators
from app.core.exceptions import RunNotFoundError
from app.schemas.common import utc_now
from app.schemas.experiments import ACTIVE_EXPERIMENT_STATUSES, LogChunk
from app.storage.paths import UnsafePathError

LOG_CHUNK_BYTES = 256 * 1024


class RunLogService:
    """Reads the log of a run in parts, or finds its file."""

    def __init__(self, shared: Collaborators) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup

    def read_log(self, project_id: str, experiment_id: str, offset: int) -> LogChunk:
        """Return the log of the current run from a byte on; raises RunNotFoundError."""
        record = self._lookup.find_experiment(project_id, experiment_id)
        run = self._lookup.find_current_run(project_id, record)
        path = self._stores.paths.run_dir(project_id, experiment_id, run.id) / "logs" / "training.log"
        data = b""
        if path.is_file():
            with path.open("rb") as stream:
                stream.seek(offset)
                data = stream.read(LOG_CHUNK_BYTES)
        is_full = len(data) == LOG_CHUNK_BYTES
        if is_full and b"\n" in data:
            data = data[: data.rindex(b"\n") + 1]  # so that no character is cut in two
        return LogChunk(
            text=data.decode("utf-8", "replace"),
            offset=offset,
            next_offset=offset + len(data),
            is_complete=not is_full and record.status not in ACTIVE_EXPERIMENT_STATUSES,
        )

    def append_line(self, project_id: str, experiment_id: str, run_id: str, text: str) -> None:
        """Add a line to the log of a run that has ended: what was decided about it afterwards."""
        path = self._stores.paths.run_dir(project_id, experiment_id, run_id) / "logs" / "training.log"
        with suppress(OSError), path.open("a", encoding="utf-8") as file:  # the record says the same
            file.write(f"{utc_now()} {text}\n")

    def find_log(self, project_id: str, experiment_id: str, run_id: str | None = None) -> Path:
        """Return the file of a run's log, of the current one by default; raises RunNotFoundError."""
        record = self._lookup.find_experiment(project_id, experiment_id)
        run_id = run_id or self._lookup.find_current_run(project_id, record).id
        try:
            path = self._stores.paths.run_dir(project_id, experiment_id, run_id) / "logs" / "training.log"
        except UnsafePathError as error:
            raise RunNotFoundError(str(error)) from error
        if not path.is_file():
            msg = "This run has no log."
            raise RunNotFoundError(msg)
        return path
