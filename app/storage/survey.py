"""Looks at every document of a workspace and says which cannot be used. Only looks: nothing is moved or repaired.

Most documents are read when somebody asks for them; the loss of an index or of a run's configuration would show
nowhere. A document that was looked at before is looked at again only when its signature has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

import msgspec
from pydantic import BaseModel

from app.schemas.evaluation import EvaluationRecord
from app.schemas.experiments import ExperimentRecord, ExperimentsIndex, MetricsRecord, RunConfigRecord, RunRecord
from app.schemas.export import ExportRecord, ExportsIndex, ParityCertificate
from app.schemas.forecasts import MeasurementsRecord
from app.schemas.jobs import JobRecord, JobRequest
from app.schemas.projects import CorruptDocument, WorkspaceRecord
from app.storage.dataset_repository import read_table
from app.storage.documents import DocumentStore, Signature, sign_file
from app.storage.evaluation_documents import read_aggregate, read_results
from app.storage.json_store import CorruptDocumentError, open_regular, read_bytes, read_model, unreadable
from app.storage.locks import ServerInfo
from app.storage.project_repository import read_project
from app.storage.signed_out import read_signed_out

Reader = Callable[[Path], object]
# Beyond this size the syntax is looked at, not the values: pages check those when they read the document.
MAX_CHECKED_BYTES = 64 * 2**20
MAX_SYNTAX_BYTES = 4 * 2**30


def _record(model: type[BaseModel]) -> Reader:
    return lambda path: read_model(path, model)


def _read_log(path: Path) -> None:
    """Raise CorruptDocumentError for a log with a line that is no JSON; its last one may just be written."""
    with open_regular(path) as stream:
        try:
            data = stream.read(MAX_CHECKED_BYTES)
        except OSError as error:
            raise unreadable(path, error) from error
    *lines, rest = (data or b"").split(b"\n")
    bad = [number for number, line in enumerate(lines, 1) if line and not _is_json(line)]
    if bad:
        raise CorruptDocumentError(path, f"{len(bad)} of its {len(lines)} lines cannot be read, the first is {bad[0]}")
    if rest and not lines and not rest.startswith(b"{"):
        raise CorruptDocumentError(path, "it does not begin like an event")


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        return False
    return True


def _open(path: Path) -> None:
    open_regular(path).close()


# A part that is a kind of id stands for every folder that is named by one.
DOCUMENTS: tuple[tuple[str, Reader], ...] = (
    ("workspace.json", _record(WorkspaceRecord)),
    ("measurements.json", _record(MeasurementsRecord)),
    ("signed_out.json", read_signed_out),
    (".locks/server.json", _record(ServerInfo)),
    (".locks/server.lock", _open),
    ("projects/proj/project.json", read_project),
    ("projects/proj/events.jsonl", _read_log),
    ("projects/proj/dataset/dataset.json", read_table),
    ("projects/proj/jobs/job/job.json", _record(JobRecord)),
    ("projects/proj/jobs/job/request.json", _record(JobRequest)),
    ("projects/proj/jobs/job/events.jsonl", _read_log),
    ("projects/proj/experiments/experiments_index.json", _record(ExperimentsIndex)),
    ("projects/proj/experiments/exp/experiment.json", _record(ExperimentRecord)),
    ("projects/proj/experiments/exp/runs/run/run.json", _record(RunRecord)),
    ("projects/proj/experiments/exp/runs/run/config.json", _record(RunConfigRecord)),
    ("projects/proj/experiments/exp/runs/run/metrics.json", _record(MetricsRecord)),
    ("projects/proj/experiments/exp/evaluation/evaluation.json", _record(EvaluationRecord)),
    ("projects/proj/experiments/exp/evaluation/aggregate.json", read_aggregate),
    ("projects/proj/experiments/exp/evaluation/results.json", read_results),
    ("projects/proj/exports/exports_index.json", _record(ExportsIndex)),
    ("projects/proj/exports/export/export.json", _record(ExportRecord)),
    ("projects/proj/exports/export/parity.json", _record(ParityCertificate)),
)
# Without these, what lies beside them cannot be used.
_HEADS = frozenset({"project.json", "experiment.json", "export.json"})
_KINDS = frozenset({"proj", "exp", "run", "export", "job"})


class Survey:
    """What is known of every document of a workspace."""

    def __init__(self, documents: DocumentStore, known_tasks: Collection[str] | None = None) -> None:
        """`known_tasks`: a project of another task needs a later version; None knows every task."""
        self._documents = documents
        self._read_project = partial(read_project, known_tasks=known_tasks)
        self._known: dict[Path, tuple[Signature, str]] = {}

    def list_problems(self) -> list[CorruptDocument]:
        """Return what was set aside and what cannot be used where it lies, each document once."""
        unusable = {path: reason for path, reader in self._list_documents() if (reason := self._look_at(path, reader))}
        found = {document.path: document for document in self._documents.list_corrupt()}
        for path, reason in unusable.items():
            name = self._documents.show_path(path)
            found.setdefault(name, CorruptDocument(path=name, reason=reason, is_set_aside=False))
        return list(found.values())

    def _list_documents(self) -> Iterator[tuple[Path, Reader]]:
        for pattern, reader in DOCUMENTS:
            *folders, name = pattern.split("/")
            for directory in self._list_folders(folders):
                yield directory / name, self._read_project if reader is read_project else reader
        locks = self._documents.paths.root / ".locks"
        for path in self._documents.list_files(locks, ".lock"):
            yield path, _open

    def _list_folders(self, parts: list[str]) -> list[Path]:
        folders = [self._documents.paths.root]
        for part in parts:
            if part in _KINDS:
                folders = [each for folder in folders for each in self._documents.list_directories(folder, part)]
            else:
                folders = [folder / part for folder in folders]
        return folders

    def _look_at(self, path: Path, reader: Reader) -> str:
        """Return why a document cannot be used; empty for one that can, and for one that is not there."""
        try:
            signature = sign_file(path)
            known = self._known.get(path)
            if known is None or known[0] != signature:
                known = (signature, _try_reading(path, reader, signature[1]))
                self._known[path] = known
        except FileNotFoundError:
            self._known.pop(path, None)
            if path.name in _HEADS:
                self._documents.name_missing(path)
            return ""
        except CorruptDocumentError as error:
            return error.reason
        return known[1]


def _try_reading(path: Path, reader: Reader, size: int) -> str:
    """Return why a document cannot be used. What the disk refuses is raised: its signature does not change with it."""
    try:
        if size <= MAX_CHECKED_BYTES or reader in (_open, _read_log):
            reader(path)
        else:
            _check_syntax(path)
    except OSError:
        raise
    except CorruptDocumentError as error:
        return error.reason
    return ""


def _check_syntax(path: Path) -> None:
    """Raise CorruptDocumentError for what is no JSON object, building none of it."""
    if not _is_json(read_bytes(path, MAX_SYNTAX_BYTES)):
        raise CorruptDocumentError(path, "it is no JSON")
