"""What a model has seen: the split of its run, and those of the runs that it was forked from."""

from __future__ import annotations

import msgspec

from app.core.studio import Studio
from app.core.table_views import TableViews
from app.core.trained_splits import find_trained_splits, find_untrained
from app.datasets.table import DatasetTable
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


def test_a_class_counts_as_trained_when_any_split_of_the_run_trained_it(studio: Studio, imported_id: str) -> None:
    def divide(table: DatasetTable) -> DatasetTable:
        """In `a` no red image is in train, in `b` no blue one."""
        values = [
            ["test" if image.filename.startswith(name) else "train" for name in ("red", "blue")]
            for image in table.images
        ]
        images = [
            msgspec.structs.replace(image, split=[*image.split, *value])
            for image, value in zip(table.images, values, strict=True)
        ]
        return msgspec.structs.replace(table, images=images, split_names=[*table.split_names, "a", "b"])

    record = create_experiment(studio, imported_id)
    stores, views = studio.evaluations._stores, TableViews()
    stores.datasets.change_table(imported_id, divide)
    found = {}
    for name in ("main", "a", "b", "gone"):
        found[name] = find_untrained(stores, views, imported_id, record.model_copy(update={"split_name": name}))
    assert found == {"main": [], "a": ["red"], "b": ["blue"], "gone": []}
    first = train_to_end(studio, imported_id, record)
    request = ForkRequest(checkpoint="last", name="fork", changes=ExperimentUpdate(split_name="a"))
    fork = studio.experiments.fork_experiment(imported_id, first.id, request)
    assert find_untrained(stores, views, imported_id, fork) == []
    stores.datasets.clear(imported_id)
    assert find_untrained(stores, views, imported_id, first) == []
