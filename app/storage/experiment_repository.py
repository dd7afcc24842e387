"""Reads and writes experiment.json, runs and their metrics, and derives the index from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.durable import link_or_copy, make_directory
from app.schemas.common import utc_now
from app.schemas.experiments import (
    CheckpointInfo,
    CheckpointName,
    EpochMetrics,
    ExperimentIndexEntry,
    ExperimentRecord,
    ExperimentsIndex,
    MetricsRecord,
    RunConfigRecord,
    RunRecord,
)
from app.storage.deletion import free_space, take_away
from app.storage.documents import DocumentStore, is_there
from app.storage.json_store import CorruptDocumentError, UnreadableDocumentError
from app.storage.paths import is_id

CHECKPOINT_NAMES: tuple[CheckpointName, ...] = ("best", "last")


class ExperimentRepository:
    """Creates, reads, changes and deletes experiments and their runs."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._paths = store.paths

    def create(self, project_id: str, record: ExperimentRecord) -> None:
        """Store a new experiment; on an OSError nothing stays behind."""
        try:
            self._store.write(self._paths.experiment_file(project_id, record.id), record)
        except OSError:
            free_space(self._paths.experiment_dir(project_id, record.id))
            raise
        self.refresh_index(project_id)

    def create_fork(self, project_id: str, record: ExperimentRecord, checkpoint: Path) -> None:
        """Store a new experiment with the weights that it starts from, which stay as they are now."""
        origin = self._paths.origin_file(project_id, record.id)
        make_directory(origin.parent, below=self._paths.project_dir(project_id))
        try:
            link_or_copy(checkpoint, origin)
            self.create(project_id, record)
        except OSError:
            free_space(origin.parent)
            raise

    def origin_path(self, project_id: str, experiment_id: str) -> Path | None:
        """Return the weights that a fork starts from, None when they were not kept with it."""
        path = self._paths.origin_file(project_id, experiment_id)
        return path if path.is_file() else None

    def find_start(self, project_id: str, record: ExperimentRecord) -> Path | None:
        """Return the weights that a fork starts from: its own copy, else its parent's checkpoint; None when gone."""
        origin = self.origin_path(project_id, record.id)
        if origin is not None or record.parent is None:
            return origin
        run_dir = self._paths.run_dir(project_id, record.parent["experiment_id"], record.parent["run_id"])
        path = run_dir / "checkpoints" / f"{record.parent['checkpoint']}.ckpt"
        return path if path.is_file() else None

    def read(self, project_id: str, experiment_id: str) -> ExperimentRecord:
        """Return an experiment; raises FileNotFoundError or CorruptDocumentError."""
        return self._store.read(self._paths.experiment_file(project_id, experiment_id), ExperimentRecord)

    def read_all(self, project_id: str) -> list[ExperimentRecord]:
        """Return every readable experiment, oldest first."""
        records = []
        for directory in self._store.list_directories(self._paths.experiments_dir(project_id), "exp"):
            path = directory / "experiment.json"
            try:
                records.append(self._store.read(path, ExperimentRecord))
            except FileNotFoundError:
                self._store.name_missing(path)
            except CorruptDocumentError:
                continue
        return sorted(records, key=lambda record: (record.created_at, record.id))

    def read_certain(self, project_id: str) -> list[ExperimentRecord]:
        """Return every experiment; raises OSError when the disk cannot read one.

        For deletions: an experiment that cannot be read may need what is to be deleted.
        """
        try:
            names = [path.name for path in self._paths.experiments_dir(project_id).iterdir()]
        except FileNotFoundError:
            return []
        records = []
        for name in names:
            try:
                if is_id("exp", name):
                    records.append(self.read(project_id, name))
            except UnreadableDocumentError as error:
                if error.is_of_disk:
                    raise
            except (FileNotFoundError, CorruptDocumentError):
                continue
        return sorted(records, key=lambda record: (record.created_at, record.id))

    def count(self, project_id: str) -> int:
        """Return the number of experiments without reading them."""
        directories = self._store.list_directories(self._paths.experiments_dir(project_id), "exp")
        return sum(is_there(directory / "experiment.json") for directory in directories)

    def update(
        self, project_id: str, experiment_id: str, change: Callable[[ExperimentRecord], ExperimentRecord]
    ) -> ExperimentRecord:
        """Change an experiment under its lock; `updated_at` and the index follow."""

        def stamped(record: ExperimentRecord) -> ExperimentRecord:
            return change(record).model_copy(update={"updated_at": utc_now()})

        path = self._paths.experiment_file(project_id, experiment_id)
        record = self._store.update(path, ExperimentRecord, stamped)
        self.refresh_index(project_id)
        return record

    def delete(self, project_id: str, experiment_id: str) -> None:
        """Delete an experiment with one rename, then its files."""
        directory = self._paths.experiment_dir(project_id, experiment_id)
        trashed = take_away(directory, self._paths.trash_dir, "experiment.json")
        self._store.forget(directory)
        free_space(trashed)  # first, so that the index has room on a full disk
        self.refresh_index(project_id)

    def undo_launch(self, project_id: str, before: ExperimentRecord, run: RunRecord) -> None:
        """Restore an experiment as it was before a run that could not be queued; retried later on a full disk."""
        is_new = before.current_run_id != run.id
        if is_new:
            free_space(self._paths.run_dir(project_id, before.id, run.id))

        def restore(current: ExperimentRecord) -> ExperimentRecord:
            is_launched = current.status == "pending" and current.current_run_id == run.id
            return before if is_launched else current

        path = self._paths.experiment_file(project_id, before.id)
        self._store.followers.write(str(path), lambda: self._store.update(path, ExperimentRecord, restore))

    def catch_up(self) -> None:
        """Write what could not be written on a full disk."""
        self._store.followers.catch_up()

    def refresh_index(self, project_id: str) -> None:
        """Derive experiments_index.json from the records."""

        def build() -> ExperimentsIndex:
            return ExperimentsIndex(experiments=[_index_entry(record) for record in self.read_all(project_id)])

        self._store.derive(self._paths.experiments_index_file(project_id), ExperimentsIndex, build)

    def create_run(self, project_id: str, record: RunRecord) -> Path:
        """Store a new run; return its directory."""
        directory = self._paths.run_dir(project_id, record.experiment_id, record.id)
        try:
            for name in ("checkpoints", "logs"):
                make_directory(directory / name, below=self._paths.experiment_dir(project_id, record.experiment_id))
            self._store.write(directory / "run.json", record)
        except OSError:
            free_space(directory)
            raise
        return directory

    def read_run(self, project_id: str, experiment_id: str, run_id: str) -> RunRecord:
        """Return a run; raises FileNotFoundError or CorruptDocumentError."""
        return self._store.read(self._paths.run_dir(project_id, experiment_id, run_id) / "run.json", RunRecord)

    def read_runs(self, project_id: str, experiment_id: str) -> list[RunRecord]:
        """Return every readable run, newest first."""
        records = []
        runs_dir = self._paths.experiment_dir(project_id, experiment_id) / "runs"
        for directory in self._store.list_directories(runs_dir, "run"):
            try:
                records.append(self._store.read(directory / "run.json", RunRecord))
            except (FileNotFoundError, CorruptDocumentError):
                continue
        return sorted(records, key=lambda record: (record.created_at, record.id), reverse=True)

    def update_run(self, project_id: str, experiment_id: str, run_id: str, changes: dict[str, Any]) -> RunRecord:
        """Change fields of a run under its lock."""
        path = self._paths.run_dir(project_id, experiment_id, run_id) / "run.json"
        return self._store.update(path, RunRecord, lambda record: record.model_copy(update=changes))

    def write_run_config(self, project_id: str, record: RunConfigRecord) -> None:
        """Write config.json of a run; a resumption or a recovery replaces the earlier one."""
        path = self._paths.run_dir(project_id, record.experiment_id, record.run_id) / "config.json"
        earlier = self.read_run_config(project_id, record.experiment_id, record.run_id)
        created_at = record.created_at if earlier is None else earlier.created_at
        self._store.write(path, record.model_copy(update={"created_at": created_at}))

    def read_run_config(self, project_id: str, experiment_id: str, run_id: str) -> RunConfigRecord | None:
        """Return config.json of a run, None before the run knows it."""
        path = self._paths.run_dir(project_id, experiment_id, run_id) / "config.json"
        try:
            return self._store.read(path, RunConfigRecord)
        except (FileNotFoundError, CorruptDocumentError):
            return None

    def read_metrics(self, project_id: str, experiment_id: str, run_id: str) -> MetricsRecord:
        """Return metrics.json of a run, empty before the first epoch."""
        path = self._paths.run_dir(project_id, experiment_id, run_id) / "metrics.json"
        try:
            return self._store.read(path, MetricsRecord)
        except (FileNotFoundError, CorruptDocumentError):
            return MetricsRecord()

    def add_epoch(self, project_id: str, experiment_id: str, run_id: str, epoch: EpochMetrics) -> None:
        """Add an epoch to metrics.json; an epoch that is there already is replaced, and all after it are dropped."""
        path = self._paths.run_dir(project_id, experiment_id, run_id) / "metrics.json"

        def add(record: MetricsRecord) -> MetricsRecord:
            kept = [earlier for earlier in record.epochs if earlier.epoch < epoch.epoch]
            return MetricsRecord(epochs=[*kept, epoch])

        self._store.update(path, MetricsRecord, add, MetricsRecord)

    def drop_epochs(self, project_id: str, experiment_id: str, run_id: str, first: int) -> None:
        """Remove an epoch and all after it from metrics.json."""
        path = self._paths.run_dir(project_id, experiment_id, run_id) / "metrics.json"

        def drop(record: MetricsRecord) -> MetricsRecord:
            return MetricsRecord(epochs=[epoch for epoch in record.epochs if epoch.epoch < first])

        self._store.update(path, MetricsRecord, drop, MetricsRecord)

    def list_checkpoints(self, project_id: str, record: ExperimentRecord) -> dict[CheckpointName, CheckpointInfo]:
        """Return the checkpoints of the current run whose files exist."""
        return {
            name: info
            for name, info in record.checkpoints.items()
            if self.checkpoint_path(project_id, record, name) is not None
        }

    def checkpoint_path(self, project_id: str, record: ExperimentRecord, name: CheckpointName) -> Path | None:
        """Return the file of a checkpoint of the current run, None when it does not exist."""
        if record.current_run_id is None:
            return None
        path = self._paths.run_dir(project_id, record.id, record.current_run_id) / "checkpoints" / f"{name}.ckpt"
        return path if path.is_file() else None


def _index_entry(record: ExperimentRecord) -> ExperimentIndexEntry:
    return ExperimentIndexEntry(
        id=record.id,
        name=record.name,
        created_at=record.created_at,
        status=record.status,
        best_metric_value=next(iter(record.best_metric.values()), None),
    )
