"""Which splits a run learned from: its own, and those of the runs that it was forked from."""

from __future__ import annotations

from app.core.stores import Stores
from app.core.table_views import TableViews
from app.schemas.experiments import ExperimentRecord
from app.storage.json_store import CorruptDocumentError


def find_trained_splits(stores: Stores, project_id: str, record: ExperimentRecord) -> list[str]:
    """Return the splits whose training images the model of an experiment has seen, its own first.

    A run keeps the split that it began with, whatever the experiment says by now. An ancestor that was deleted ends the
    search: what it learned from is not known any more.
    """
    found: list[str] = []
    experiment: ExperimentRecord | None = record
    run_id, seen = record.current_run_id, set[str]()
    while experiment is not None and experiment.id not in seen:
        seen.add(experiment.id)
        config = stores.experiments.read_run_config(project_id, experiment.id, run_id) if run_id else None
        requested = config.requested.get("split_name") if config is not None else None
        found.append(requested if isinstance(requested, str) else experiment.split_name)
        parent = experiment.parent or {}
        run_id = parent.get("run_id")
        experiment = _read(stores, project_id, parent.get("experiment_id"))
    return list(dict.fromkeys(found))


def find_untrained(stores: Stores, views: TableViews, project_id: str, record: ExperimentRecord) -> list[str]:
    """Return the classes of the dataset of which the model of an experiment has seen no image, as far as is known."""
    try:
        table = stores.datasets.read_table(project_id)
    except (FileNotFoundError, CorruptDocumentError):
        return []
    known = [name for name in find_trained_splits(stores, project_id, record) if name in table.split_names]
    view = views.view(project_id, table)
    untrained = [set(view.untrained_classes(table.split_names.index(name))) for name in known]
    return [name for name in table.classes if untrained and all(name in names for names in untrained)]


def _read(stores: Stores, project_id: str, experiment_id: str | None) -> ExperimentRecord | None:
    records = stores.experiments.read_all(project_id) if experiment_id else []
    return next((record for record in records if record.id == experiment_id), None)
