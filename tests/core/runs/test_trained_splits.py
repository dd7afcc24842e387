"""What a model has seen: the split of its run, and those of the runs that it was forked from."""

from __future__ import annotations

import msgspec

from app.core.runs.trained_splits import TrainedSplits, find_trained_splits, find_untrained
from app.core.studio import Studio
from app.core.table_views import TableViews
from app.datasets.table import DatasetTable
from app.schemas.evaluation import EvaluationRequest
from app.schemas.experiments import ExperimentRecord, ExperimentUpdate, ForkRequest
from app.schemas.leaks import EvaluationLeaks
from app.schemas.splits import SplitCreate, SplitRatios
from tests.core.conftest import WAIT_S, create_experiment, train_to_end


def fork_to(studio: Studio, project_id: str, parent: ExperimentRecord, split_name: str) -> ExperimentRecord:
    request = ForkRequest(checkpoint="last", name="fork", changes=ExperimentUpdate(split_name=split_name))
    return studio.experiments.fork_experiment(project_id, parent.id, request)


def train_and_fork(studio: Studio, project_id: str) -> tuple[ExperimentRecord, ExperimentRecord]:
    """Return an experiment that was trained on `main`, and its fork on another split."""
    studio.splits.create_split(project_id, SplitCreate(name="other", seed=7))
    first = train_to_end(studio, project_id, create_experiment(studio, project_id))
    return first, fork_to(studio, project_id, first, "other")


def list_untrained(studio: Studio, project_id: str, record: ExperimentRecord) -> list[str]:
    stores, views = studio.evaluations._stores, TableViews()
    return find_untrained(stores, views, project_id, find_trained_splits(stores, views, project_id, record))


def test_a_fork_on_another_split_has_seen_both(studio: Studio, imported_id: str) -> None:
    first, fork = train_and_fork(studio, imported_id)
    stores, views = studio.evaluations._stores, TableViews()
    assert find_trained_splits(stores, views, imported_id, first) == TrainedSplits(["main"], [])
    assert find_trained_splits(stores, views, imported_id, fork) == TrainedSplits(["other", "main"], [])
    orphan = fork.model_copy(update={"parent": {"experiment_id": "exp-ffffffff", "run_id": ""}})
    assert find_trained_splits(stores, views, imported_id, orphan) == TrainedSplits(["other"], [])


def draw_again(studio: Studio, project_id: str, seed: int) -> None:
    studio.splits.delete_split(project_id, "main")
    ratios = SplitRatios(train=0.6, val=0.2, test=0.2)
    studio.splits.create_split(project_id, SplitCreate(name="main", ratios=ratios, seed=seed))


def test_a_split_that_was_created_again_is_not_the_one_that_was_trained_on(studio: Studio, imported_id: str) -> None:
    first, fork = train_and_fork(studio, imported_id)
    stores, views = studio.evaluations._stores, TableViews()
    seed = studio.splits.get_split(imported_id, "main").seed
    assert seed is not None
    draw_again(studio, imported_id, seed)  # the same images again
    assert find_trained_splits(stores, views, imported_id, first) == TrainedSplits(["main"], [])
    draw_again(studio, imported_id, seed + 1)
    assert find_trained_splits(stores, views, imported_id, first) == TrainedSplits([], ["main"])
    assert find_trained_splits(stores, views, imported_id, fork) == TrainedSplits(["other"], ["main"])
    assert list_untrained(studio, imported_id, first) == []
    studio.splits.delete_split(imported_id, "main")
    assert find_trained_splits(stores, views, imported_id, first) == TrainedSplits(["main"], [])


def test_an_evaluation_on_a_split_that_was_created_again_says_so(studio: Studio, imported_id: str) -> None:
    first = train_to_end(studio, imported_id, create_experiment(studio, imported_id))
    before = studio.evaluations.get_evaluation(imported_id, first.id)
    assert before.redrawn_splits == []
    assert [user.is_of_earlier_split for user in studio.splits.get_split(imported_id, "main").experiments] == [False]
    draw_again(studio, imported_id, 4711)
    assert [user.is_of_earlier_split for user in studio.splits.get_split(imported_id, "main").experiments] == [True]
    assert studio.evaluations.get_evaluation(imported_id, first.id).redrawn_splits == ["main"]
    record = studio.evaluations.start_evaluation(imported_id, first.id, EvaluationRequest())
    studio.scheduler.wait(record.job_id or "", WAIT_S)
    found = studio.evaluations.get_evaluation(imported_id, first.id)
    leaks = EvaluationLeaks.model_validate((found.aggregate or {})["leaks"])
    assert leaks.redrawn_splits == ["main"]
    assert "The split 'main' was created again after this model was trained" in leaks.in_words()
    assert "Evaluate again" not in leaks.in_words()


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
    stores = studio.evaluations._stores
    stores.datasets.change_table(imported_id, divide)
    found = {}
    for name in ("main", "a", "b", "gone"):
        found[name] = list_untrained(studio, imported_id, record.model_copy(update={"split_name": name}))
    assert found == {"main": [], "a": ["red"], "b": ["blue"], "gone": []}
    first = train_to_end(studio, imported_id, record)
    fork = fork_to(studio, imported_id, first, "a")
    assert list_untrained(studio, imported_id, fork) == []
    stores.datasets.clear(imported_id)
    assert list_untrained(studio, imported_id, first) == []
