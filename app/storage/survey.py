"""Checks every document of a workspace and lists those that cannot be used. Moves and repairs nothing.

Most documents are read only when somebody asks for them, so nobody would notice the loss of an index or of a run's
configuration. A document that was checked before is checked again only when its signature has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
from pydantic import BaseModel

from app.schemas.common import parse_time
from app.schemas.evaluation import EvaluationRecord
from app.schemas.experiments import ExperimentRecord, ExperimentsIndex, MetricsRecord, RunConfigRecord, RunRecord
from app.schemas.export import ExportRecord, ExportsIndex, ParityCertificate
from app.schemas.forecasts import MeasurementsRecord
from app.schemas.jobs import JobRequest
from app.schemas.projects import CorruptDocument, WorkspaceRecord
from app.schemas.sessions import SignedOutRecord
from app.storage.cache import Cache
from app.storage.dataset_repository import read_table
from app.storage.documents import DocumentStore, sign_file
from app.storage.evaluation_documents import read_aggregate, read_results
from app.storage.event_log import MAX_GAP, is_event
from app.storage.job_documents import read_job
from app.storage.json_store import CorruptDocumentError, open_document, read_bytes, read_model, unreadable
from app.storage.locks import ServerInfo
from app.storage.project_repository import read_project

Reader = Callable[[Path], object]
# Beyond this size the syntax is looked at, not the values: pages check those when they read the document.
MAX_CHECKED_BYTES = 64 * 2**20
MAX_SYNTAX_BYTES = 4 * 2**30


def _record(model: type[BaseModel]) -> Reader:
    return lambda path: read_model(path, model)


def _log(is_line: Callable[[bytes, int], bool]) -> Reader:
    return lambda path: _read_log(path, is_line)


def _read_log(path: Path, is_line: Callable[[bytes, int], bool]) -> None:
    """Raise CorruptDocumentError for a log with a line that is no event; its last one may just be written."""
    with open_document(path) as stream:
        try:
            data = stream.read(MAX_CHECKED_BYTES)
        except OSError as error:
            raise unreadable(path, error) from error
    *lines, rest = data.split(b"\n")
    bad = [number for number, line in enumerate(lines, 1) if line and not is_line(line, number)]
    if bad:
        raise CorruptDocumentError(path, f"{len(bad)} of its {len(lines)} lines cannot be read, the first is {bad[0]}")
    if rest and not lines and not rest.startswith(b"{"):
        raise CorruptDocumentError(path, "it does not begin like an event")


class _Numbered(msgspec.Struct):
    seq: int


def _is_logged(line: bytes, number: int) -> bool:
    """Say whether a line is an event, and its number not one far beyond that of the line."""
    return is_event(line) and msgspec.json.decode(line, type=_Numbered).seq - number <= MAX_GAP


class _ReportedLine(msgspec.Struct):
    """The fields that every line of a job's own log has."""

    seq: Annotated[int, msgspec.Meta(ge=1)]
    ts: str
    event: dict[str, msgspec.Raw]


def _is_reported(line: bytes, number: int) -> bool:
    try:
        reported = msgspec.json.decode(line, type=_ReportedLine)
        parse_time(reported.ts)
    except (ValueError, RecursionError):
        return False
    return reported.seq - number <= MAX_GAP


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        return False
    return True


def _open(path: Path) -> None:
    open_document(path).close()


_LOG, _JOB_LOG = _log(_is_logged), _log(_is_reported)
# A part that is a kind of id stands for every folder that is named by one.
DOCUMENTS: tuple[tuple[str, Reader], ...] = (
    ("workspace.json", _record(WorkspaceRecord)),
    ("measurements.json", _record(MeasurementsRecord)),
    ("signed_out.json", _record(SignedOutRecord)),
    (".locks/server.json", _record(ServerInfo)),
    (".locks/server.lock", _open),
    ("projects/proj/project.json", read_project),
    ("projects/proj/events.jsonl", _LOG),
    ("projects/proj/dataset/dataset.json", read_table),
    ("projects/proj/jobs/job/job.json", read_job),
    ("projects/proj/jobs/job/request.json", _record(JobRequest)),
    ("projects/proj/jobs/job/events.jsonl", _JOB_LOG),
    ("projects/proj/experiments/experiments_index.json", _record(ExperimentsIndex)),
    ("projects/proj/experiments/exp/experiment.json", _record(ExperimentRecord)),
    ("projects/proj/experiments/exp/runs/run/run.json", _record(RunRecord)),
    ("projects/proj/experiments/exp/runs/run/config.json", _record(RunConfigRecord)),
    ("projects/proj/experiments/exp/runs/run/metrics.json", _record(MetricsRecord)),
    ("projects/proj/experiments/exp/evaluation/evaluation.json", _record(EvaluationRecord)),
    ("projects/proj/experiments/exp/evaluation/aggregate.json", read_aggregate),
    ("projects/proj/experiments/exp/evaluation/results.json", read_results),
    ("projects/proj/experiments/exp/evaluation-next/evaluation.json", _record(EvaluationRecord)),
    ("projects/proj/exports/exports_index.json", _record(ExportsIndex)),
    ("projects/proj/exports/export/export.json", _record(ExportRecord)),
    ("projects/proj/exports/export/parity.json", _record(ParityCertificate)),
)
# Without these, what lies beside them cannot be used.
_HEADS = frozenset({"project.json", "experiment.json", "export.json"})
# What many images make large.
_LARGE = frozenset({read_table, read_aggregate, read_results})
_KINDS = frozenset({"proj", "exp", "run", "export", "job"})


class Survey:
    """The state of every document of a workspace, as it was checked last."""

    def __init__(self, documents: DocumentStore, known_tasks: Mapping[str, str] | None = None) -> None:
        """`known_tasks`: what each task annotates an image with; a project of another one needs a later version.

        None knows every task and checks no kind.
        """
        self._documents = documents
        self._of_tasks: dict[Reader, Reader] = {
            read_project: partial(read_project, known_tasks=known_tasks),
            read_table: partial(read_table, known_tasks=known_tasks),
        }
        self._known: Cache[Path, str] = Cache()

    def list_problems(self) -> list[CorruptDocument]:
        """Return the documents in `.corrupt/` and those that cannot be used in their place, each once."""
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
                yield directory / name, self._of_tasks.get(reader, reader)
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
            return self._known.get(path, lambda: _try_reading(path, reader, signature[1]), state=signature)
        except FileNotFoundError:
            self._known.forget(path)
            if path.is_symlink():
                return "a link that leads nowhere is in its place"
            if path.name in _HEADS:
                self._documents.name_missing(path)
            return ""
        except CorruptDocumentError as error:
            return error.reason


def _try_reading(path: Path, reader: Reader, size: int) -> str:
    """Return why a document cannot be used. What the disk refuses is raised: its signature does not change with it."""
    try:
        if size > MAX_CHECKED_BYTES and reader in _LARGE:
            _check_syntax(path)
        else:  # refuses what is larger than any such record without reading it
            reader(path)
    except OSError:
        raise
    except CorruptDocumentError as error:
        return error.reason
    return ""


def _check_syntax(path: Path) -> None:
    """Raise CorruptDocumentError for what is no JSON object, building none of it."""
    if not _is_json(read_bytes(path, MAX_SYNTAX_BYTES)):
        raise CorruptDocumentError(path, "it is no JSON")
