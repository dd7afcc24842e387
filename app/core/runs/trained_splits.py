"""Which splits a run was trained on: its own, and those of the runs that it was forked from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.core.stores import Stores
from app.core.table_views import TableViews
from app.datasets.table import DatasetTable
from app.schemas.experiments import ExperimentRecord, RunConfigRecord
from app.storage.json_store import CorruptDocumentError


@dataclass(frozen=True)
class TrainedSplits:
    """Splits that a model was trained on, its own first.

    `redrawn` are those of which a split of the same name took the place since: nobody knows any more which of the
    images were for training.
    """

    names: list[str]
    redrawn: list[str]


def find_trained_splits(stores: Stores, views: TableViews, project_id: str, record: ExperimentRecord) -> TrainedSplits:
    """Return the splits whose training images the model of an experiment has seen.

    A run keeps the split that it began with, whatever the experiment says by now. An ancestor that was deleted ends the
    search: what it was trained on is not known any more.
    """
    try:
        table: DatasetTable | None = stores.datasets.read_table(project_id)
    except (FileNotFoundError, CorruptDocumentError):
        table = None
    names: list[str] = []
    redrawn: list[str] = []
    for name, split_hash in _list_uses(stores, project_id, record):
        is_redrawn = False
        if table is not None and split_hash and name in table.split_names:
            column = table.split_names.index(name)
            is_redrawn = views.view(project_id, table).hash_of(column) != split_hash
        (redrawn if is_redrawn else names).append(name)
    return TrainedSplits(list(dict.fromkeys(names)), list(dict.fromkeys(redrawn)))


def find_untrained(stores: Stores, views: TableViews, project_id: str, trained: TrainedSplits) -> list[str]:
    """Return the classes of the dataset of which a model has seen no image, as far as is known."""
    try:
        table = stores.datasets.read_table(project_id)
    except (FileNotFoundError, CorruptDocumentError):
        return []
    if trained.redrawn:
        return []
    known = [name for name in trained.names if name in table.split_names]
    view = views.view(project_id, table)
    untrained = [set(view.untrained_classes(table.split_names.index(name))) for name in known]
    return [name for name in table.classes if untrained and all(name in names for names in untrained)]


def read_recorded_split(config: RunConfigRecord | None) -> tuple[str | None, str]:
    """Return the split that a run recorded, None where it did not, and the hash over its images, empty likewise."""
    if config is None:
        return None, ""
    name, split_hash = config.requested.get("split_name"), config.resolved.get("split_hash")
    return name if isinstance(name, str) else None, split_hash if isinstance(split_hash, str) else ""


def _list_uses(stores: Stores, project_id: str, record: ExperimentRecord) -> Iterator[tuple[str, str]]:
    """Yield the split of each run, with the hash over its images as far as the run recorded it."""
    experiment: ExperimentRecord | None = record
    run_id, seen = record.current_run_id, set[str]()
    while experiment is not None and experiment.id not in seen:
        seen.add(experiment.id)
        config = stores.experiments.read_run_config(project_id, experiment.id, run_id) if run_id else None
        name, split_hash = read_recorded_split(config)
        yield name if name is not None else experiment.split_name, split_hash
        parent = experiment.parent or {}
        run_id = parent.get("run_id")
        experiment = _read(stores, project_id, parent.get("experiment_id"))


def _read(stores: Stores, project_id: str, experiment_id: str | None) -> ExperimentRecord | None:
    records = stores.experiments.read_all(project_id) if experiment_id else []
    return next((record for record in records if record.id == experiment_id), None)
