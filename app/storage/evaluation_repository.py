"""Reads and writes evaluation.json, aggregate.json and results.json of an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.durable import make_directory, sync_directory
from app.schemas.evaluation import EvaluationRecord
from app.storage.cache import Cache
from app.storage.deletion import free_space, take_away
from app.storage.documents import DocumentStore, Signature, sign_file
from app.storage.evaluation_documents import read_aggregate, read_results
from app.storage.json_store import CorruptDocumentError, NewerDocumentError, UnreadableDocumentError

CACHED_RESULTS = 4
RECORD = "evaluation.json"


class EvaluationRepository:
    """Reads, writes and resets evaluations."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._paths = store.paths
        self._results: Cache[Path, list[dict[str, Any]]] = Cache(CACHED_RESULTS)

    def create(self, project_id: str, experiment_id: str, record: EvaluationRecord) -> Path:
        """Begin an evaluation in an empty directory; return the directory.

        A completed evaluation stays until the new one has completed as well, and so does one that cannot be read now:
        UnreadableDocumentError or NewerDocumentError is raised. On an OSError nothing stays behind.
        """
        directory = self._paths.evaluation_dir(project_id, experiment_id)
        earlier = self._read_certain(directory)
        self._remove(self._paths.next_evaluation_dir(project_id, experiment_id))
        if earlier is not None and earlier.status == "completed":
            directory = self._paths.next_evaluation_dir(project_id, experiment_id)
        else:
            self._remove(directory)
        try:
            make_directory(directory, below=self._paths.experiment_dir(project_id, experiment_id))
            self._store.write(directory / RECORD, record)
        except OSError:
            free_space(directory)
            raise
        return directory

    def read(self, project_id: str, experiment_id: str) -> EvaluationRecord | None:
        """Return the evaluation that runs, else the one whose results are there, else the last; None without any."""
        attempt = self.read_attempt(project_id, experiment_id)
        if attempt is not None and attempt.status in ("pending", "running"):
            return attempt
        return self._read_in(self._paths.evaluation_dir(project_id, experiment_id))

    def find(self, project_id: str, experiment_id: str, job_id: str) -> EvaluationRecord | None:
        """Return the evaluation of a job, None when it was reset; raises OSError while the disk fails."""
        places = (
            self._paths.next_evaluation_dir(project_id, experiment_id),
            self._paths.evaluation_dir(project_id, experiment_id),
        )
        records = (self._read_certain(directory) for directory in places)
        return next((record for record in records if record is not None and record.job_id == job_id), None)

    def read_completed(self, project_id: str, experiment_id: str) -> EvaluationRecord | None:
        """Return the evaluation that the results belong to, also while another runs; None when none has completed."""
        record = self._read_in(self._paths.evaluation_dir(project_id, experiment_id))
        return record if record is not None and record.status == "completed" else None

    def read_last(self, project_id: str, experiment_id: str) -> EvaluationRecord | None:
        """Return the evaluation in its place, whatever its state, also while another runs; None without any."""
        return self._read_in(self._paths.evaluation_dir(project_id, experiment_id))

    def read_attempt(self, project_id: str, experiment_id: str) -> EvaluationRecord | None:
        """Return the latest attempt to evaluate again, None when there was none or it has succeeded."""
        return self._read_in(self._paths.next_evaluation_dir(project_id, experiment_id))

    def update(
        self, project_id: str, experiment_id: str, job_id: str | None, changes: dict[str, Any]
    ) -> EvaluationRecord:
        """Change fields of the evaluation of a job; raises FileNotFoundError when it was reset, OSError.

        Completing a second evaluation is its one commit point: after it, it takes the place of the first.
        """
        upcoming = self._paths.next_evaluation_dir(project_id, experiment_id)
        attempt = self._read_certain(upcoming)
        is_again = attempt is not None and attempt.job_id == job_id
        directory = upcoming if is_again else self._paths.evaluation_dir(project_id, experiment_id)
        record = self._store.update(
            directory / RECORD, EvaluationRecord, lambda current: current.model_copy(update=changes)
        )
        if is_again and record.status == "completed":
            self._store.followers.write(str(upcoming), lambda: self.put_in_place(project_id, experiment_id))
        return record

    def put_in_place(self, project_id: str, experiment_id: str) -> None:
        """Replace the first evaluation with the second one once that has completed; safe to repeat."""
        attempt = self.read_attempt(project_id, experiment_id)
        if attempt is None or attempt.status != "completed":
            return
        directory = self._paths.evaluation_dir(project_id, experiment_id)
        upcoming = self._paths.next_evaluation_dir(project_id, experiment_id)
        if directory.is_dir():
            trashed = take_away(directory, self._paths.trash_dir, RECORD)
            if trashed == directory:
                free_space(trashed)
            upcoming.replace(directory)
            free_space(trashed)
        else:
            upcoming.replace(directory)
        self._store.forget(directory)
        self._store.forget(upcoming)
        sync_directory(directory.parent)

    def reset(self, project_id: str, experiment_id: str) -> bool:
        """Delete the evaluation and any attempt to repeat it; return whether there was one."""
        directories = (
            self._paths.next_evaluation_dir(project_id, experiment_id),
            self._paths.evaluation_dir(project_id, experiment_id),
        )
        return sum(self._remove(directory) for directory in directories) > 0

    def withdraw(self, directory: Path) -> None:
        """Undo `create`."""
        self._remove(directory)

    def reset_after(self, project_id: str, experiment_id: str) -> None:
        """Delete the evaluation that the experiment's new state makes invalid; retried when the disk refuses it now."""
        known = self.read(project_id, experiment_id)
        if known is None:
            return

        def reset() -> None:
            if self.read(project_id, experiment_id) == known:
                self.reset(project_id, experiment_id)

        self._store.followers.write(f"reset {project_id} {experiment_id}", reset)

    def _read_in(self, directory: Path) -> EvaluationRecord | None:
        try:
            return self._store.read(directory / RECORD, EvaluationRecord)
        except (FileNotFoundError, CorruptDocumentError):
            return None

    def _read_certain(self, directory: Path) -> EvaluationRecord | None:
        """Return the record, None where there is none; raises where there is one that cannot be read."""
        try:
            return self._store.read(directory / RECORD, EvaluationRecord)
        except (UnreadableDocumentError, NewerDocumentError):
            raise
        except (FileNotFoundError, CorruptDocumentError):
            return None

    def _remove(self, directory: Path) -> bool:
        if not directory.is_dir():
            return False
        trashed = take_away(directory, self._paths.trash_dir, RECORD)
        self._store.forget(directory)
        free_space(trashed)
        return True

    def read_aggregate(self, project_id: str, experiment_id: str) -> dict[str, Any] | None:
        """Return aggregate.json, None when it is missing or unreadable."""
        path = self._paths.evaluation_dir(project_id, experiment_id) / "aggregate.json"
        try:
            with self._store.naming(path):
                return read_aggregate(path)
        except (FileNotFoundError, CorruptDocumentError):
            return None

    def sign_results(self, project_id: str, experiment_id: str) -> Signature | None:
        """Return what changes whenever results.json does, None when there is none that can be read."""
        try:
            return sign_file(self._paths.evaluation_dir(project_id, experiment_id) / "results.json")
        except (FileNotFoundError, CorruptDocumentError):
            return None

    def read_results(self, project_id: str, experiment_id: str) -> list[dict[str, Any]] | None:
        """Return the rows of results.json, shared and not to be changed; None when there are none."""
        path = self._paths.evaluation_dir(project_id, experiment_id) / "results.json"
        try:
            with self._store.naming(path):
                return self._results.get(path, lambda: read_results(path), state=sign_file(path))
        except (FileNotFoundError, CorruptDocumentError):
            return None
