"""Where forks start, in names: their records hold the ids of an experiment and of a run."""

from __future__ import annotations

from collections.abc import Sequence

from app.core.lookup import Lookup
from app.core.stores import Stores
from app.core.views.names_apart import tell_apart


def name_fork_starts(stores: Stores, project_id: str, experiment_ids: Sequence[str]) -> dict[str, str]:
    """Return a text for each experiment and run that these start from; what was deleted has none.

    Raises ExperimentNotFoundError.
    """
    lookup = Lookup(stores)
    names = tell_apart(stores.experiments.read_all(project_id))
    texts: dict[str, str] = {}
    for experiment_id in experiment_ids:
        parent_id = (lookup.find_experiment(project_id, experiment_id).parent or {}).get("experiment_id", "")
        if parent_id not in names:
            continue
        texts[parent_id] = names[parent_id]
        runs = stores.experiments.read_runs(project_id, parent_id)
        texts |= {run.id: f"run {len(runs) - place} of {names[parent_id]}" for place, run in enumerate(runs)}
    return texts
