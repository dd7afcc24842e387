"""What a model has seen: the split of its run, and those of the runs that it was forked from."""

from __future__ import annotations

from app.core.studio import Studio
from app.core.trained_splits import find_trained_splits
from app.schemas.experiments import ExperimentUpdate, ForkRequest
from app.schemas.splits import SplitCreate
from tests.core.conftest import create_experiment, train_to_end


def test_a_fork_on_another_split_has_seen_both(studio: Studio, imported_id: str) -> None:
    studio.splits.create_split(imported_id, SplitCreate(name="other", seed=7))
    first = train_to_end(studio, imported_id, create_experiment(studio, imported_id))
    request = ForkRequest(checkpoint="last", name="fork", changes=ExperimentUpdate(split_name="other"))
    fork = studio.experiments.fork_experiment(imported_id, first.id, request)
    stores = studio.evaluations._stores
    assert find_trained_splits(stores, imported_id, first) == ["main"]
    assert find_trained_splits(stores, imported_id, fork) == ["other", "main"]
    orphan = fork.model_copy(update={"parent": {"experiment_id": "exp-ffffffff", "run_id": ""}})
    assert find_trained_splits(stores, imported_id, orphan) == ["other"]
