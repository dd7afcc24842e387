"""evaluation.json, aggregate.json and results.json of an experiment."""

from __future__ import annotations

import shutil
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from app.durable import make_directory
from app.schemas.evaluation import EvaluationRecord
from app.storage.documents import DocumentStore, Signature, sign_file
from app.storage.evaluation_documents import read_aggregate, read_results
from app.storage.json_store import CorruptDocumentError, move_to_trash

CACHED_RESULTS = 4


class EvaluationRepository:
    """Reads, writes and resets evaluations."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._paths = store.paths
        self._mutex = threading.Lock()
        self._results: OrderedDict[Path, tuple[Signature, list[dict[str, Any]]]] = OrderedDict()

    def create(self, project_id: str, experiment_id: str, record: EvaluationRecord) -> Path:
        """Begin an evaluation in an empty directory; return the directory."""
        self.reset(project_id, experiment_id)
        directory = self._paths.evaluation_dir(project_id, experiment_id)
        make_directory(directory)
        self._store.write(directory / "evaluation.json", record)
        return directory

    def read(self, project_id: str, experiment_id: str) -> EvaluationRecord | None:
        """Return the evaluation, None when there is none."""
        path = self._paths.evaluation_dir(project_id, experiment_id) / "evaluation.json"
        try:
            return self._store.read(path, EvaluationRecord)
        except (FileNotFoundError, CorruptDocumentError):
            return None

    def update(self, project_id: str, experiment_id: str, changes: dict[str, Any]) -> EvaluationRecord:
        """Change fields of the evaluation; raises FileNotFoundError when it was reset."""
        path = self._paths.evaluation_dir(project_id, experiment_id) / "evaluation.json"
        return self._store.update(path, EvaluationRecord, lambda record: record.model_copy(update=changes))

    def reset(self, project_id: str, experiment_id: str) -> bool:
        """Take the evaluation away in one step; return whether there was one."""
        directory = self._paths.evaluation_dir(project_id, experiment_id)
        if not directory.is_dir():
            return False
        trashed = move_to_trash(directory, self._paths.trash_dir)
        self._store.forget(directory)
        shutil.rmtree(trashed, ignore_errors=True)
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
                signature = sign_file(path)
                with self._mutex:
                    cached = self._results.get(path)
                    if cached is not None and cached[0] == signature:
                        return cached[1]
                rows = read_results(path)
        except (FileNotFoundError, CorruptDocumentError):
            return None
        with self._mutex:
            self._results[path] = (signature, rows)
            while len(self._results) > CACHED_RESULTS:
                self._results.popitem(last=False)
        return rows
