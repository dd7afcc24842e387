"""Reads job.json and checks that it names the dataset, experiment, run or export that the job works for."""

from __future__ import annotations

from pathlib import Path

from app.schemas.jobs import JobRecord
from app.storage.json_store import CorruptDocumentError, read_model
from app.storage.paths import is_id

_SUBJECTS = {
    "train": {"experiment_id": "exp", "run_id": "run"},
    "evaluate": {"experiment_id": "exp"},
    "export": {"experiment_id": "exp", "export_id": "export"},
    "predict": {"experiment_id": "exp"},
    "probe": {"experiment_id": "exp"},
    "import": {"dataset_id": "dataset"},
}


def read_job(path: Path) -> JobRecord:
    """Return a job; raises FileNotFoundError or CorruptDocumentError."""
    record = read_model(path, JobRecord)
    check_subject(record)
    return record


def check_subject(record: JobRecord) -> None:
    """Refuse a job without the ids that its kind needs; raises CorruptDocumentError."""
    for name, kind in _SUBJECTS.get(record.kind, {}).items():
        if not is_id(kind, record.subject.get(name, "")):
            raise CorruptDocumentError(Path("job.json"), f"subject.{name}: it is no id")
