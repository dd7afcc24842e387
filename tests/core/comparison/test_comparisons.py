"""Experiments of one project side by side."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest

from app.annotations.results import ResultFields
from app.core.comparison.comparisons import rank_images
from app.core.comparison.image_scores import find_common, score_rows
from app.core.exceptions import ExperimentNotFoundError, NotFoundError, ValidationFailedError
from app.core.studio import Studio
from app.schemas.comparison import CompareQuery, Comparison
from app.schemas.evaluation import EvaluationRequest
from app.schemas.experiments import ExperimentRecord, ExperimentUpdate, RunConfigRecord
from app.schemas.projects import ProjectCreate
from tests.core.conftest import WAIT_S, create_experiment, train_to_end

CORRECT = ResultFields(correct_path="correct", sort_paths={"error": "loss"})
ERRORS = ResultFields(sort_paths={"error": "off.most"})


def evaluate(studio: Studio, project_id: str, experiment_id: str, *subsets: Any) -> None:
    request = EvaluationRequest(split_subsets=list(subsets or ("test",)))
    started = studio.evaluations.start_evaluation(project_id, experiment_id, request)
    assert studio.scheduler.wait(started.job_id or "", WAIT_S).status == "completed"


def compare(studio: Studio, project_id: str, *ids: str, **query: Any) -> Comparison:
    return studio.comparisons.compare(project_id, CompareQuery(experiments=list(ids), **query))


def overwrite_rows(studio: Studio, project_id: str, experiment_id: str, right: list[bool]) -> None:
    """Say anew which images an evaluation got right, in their order."""
    path = studio._paths.evaluation_dir(project_id, experiment_id) / "results.json"
    rows = json.loads(path.read_text())["results"]
    assert len(rows) == len(right)
    path.write_text(
        json.dumps({"results": [row | {"correct": is_right} for row, is_right in zip(rows, right, strict=True)]})
    )


def overwrite_arithmetic(studio: Studio, project_id: str, record: ExperimentRecord, **chosen: object) -> None:
    """Say anew what the run of an experiment computed in."""
    path = studio._paths.run_dir(project_id, record.id, record.current_run_id or "") / "config.json"
    config = json.loads(path.read_text())
    config["resolved"]["arithmetic"] = {"chosen": chosen}
    path.write_text(json.dumps(config))


def codes(comparison: Comparison) -> list[str]:
    return [note.code for note in comparison.notes]


def test_what_auto_became_is_a_setting_that_can_differ(studio: Studio, imported_id: str) -> None:
    first = train_to_end(studio, imported_id, create_experiment(studio, imported_id, "First"))
    second = train_to_end(studio, imported_id, create_experiment(studio, imported_id, "Second"))
    overwrite_arithmetic(studio, imported_id, first, precision="32-true", memory_format="channels_last", batch_size=8)
    overwrite_arithmetic(studio, imported_id, second, precision="bf16-mixed", memory_format="contiguous", batch_size=8)
    found = compare(studio, imported_id, first.id, second.id)
    assert {item.key: item.values for item in found.settings} == {
        "arithmetic.precision": ["32-true", "bf16-mixed"],
        "arithmetic.memory_format": ["channels_last", "contiguous"],
    }
    assert [side.precision for side in found.experiments] == ["32-true", "bf16-mixed"]
    # What was never trained computes in nothing, which is no difference of settings.
    third = create_experiment(studio, imported_id, "Third")
    assert compare(studio, imported_id, first.id, third.id).settings == []


def test_two_trained_experiments(studio: Studio, imported_id: str) -> None:
    first = train_to_end(studio, imported_id, create_experiment(studio, imported_id, "First"))
    second = train_to_end(studio, imported_id, create_experiment(studio, imported_id, "Second", max_epochs=3))
    before = compare(studio, imported_id, first.id, second.id)
    assert [len(side.epochs) for side in before.experiments] == [2, 3]
    assert {item.key: item.values for item in before.settings} == {"hyperparameters.max_epochs": [2, 3]}
    assert before.num_equal_settings > 20
    assert (before.tests, codes(before), before.images.total_items) == ([], ["not_evaluated"], 0)
    # What is changed after a run is not what the curves come from.
    changes = ExperimentUpdate(hyperparameters={"max_epochs": 9})
    studio.experiments.update_experiment(imported_id, second.id, changes)
    assert compare(studio, imported_id, first.id, second.id).settings == before.settings

    for record in (first, second):
        evaluate(studio, imported_id, record.id)
    overwrite_rows(studio, imported_id, first.id, [True, False, False, True])
    overwrite_rows(studio, imported_id, second.id, [True, True, True, False])
    found = compare(studio, imported_id, first.id, second.id)
    assert codes(found) == []
    assert found.experiments[0].headline["accuracy"].value == 0.75
    (test,) = found.tests
    assert (test.num_images, test.only_reference, test.only_other, test.verdict) == (4, 1, 2, "open")
    assert test.difference == 0.25
    assert (test.p_value, test.p_adjusted, found.winner) == (1.0, 1.0, None)
    assert (found.conclusion, test.conclusion) == ("No clear winner", "No clear winner between First and Second")
    assert test.low is not None
    assert test.low < 0 < test.difference < (test.high or 0)
    assert (found.images.num_common, found.images.counts) == (4, {first.id: 1, second.id: 2})
    only = compare(studio, imported_id, first.id, second.id, only=second.id, page_size=1, page=2)
    assert (only.images.total_items, only.images.total_pages, len(only.images.items)) == (2, 2, 1)
    image = only.images.items[0]
    assert image.best == [second.id]
    assert {name: row["correct"] for name, row in image.results.items()} == {first.id: False, second.id: True}
    # A new evaluation is seen at once.
    overwrite_rows(studio, imported_id, second.id, [True, False, False, True])
    assert compare(studio, imported_id, first.id, second.id).tests[0].difference == 0.0
    assert not any(item.is_gone for item in found.images.items)
    overwrite_rows(studio, imported_id, second.id, [True, True, True, False])
    studio.datasets.clear_dataset(imported_id)
    left = compare(studio, imported_id, first.id, second.id).images.items
    assert [item.is_gone for item in left] == [True] * 3


def test_precisions_that_auto_came_to_are_noted(studio: Studio, imported_id: str) -> None:
    records = [train_to_end(studio, imported_id, create_experiment(studio, imported_id, name)) for name in "ABC"]
    for record, precision in zip(records[:2], ("bf16-mixed", "32-true"), strict=True):
        config = RunConfigRecord(
            run_id=record.current_run_id or "",
            experiment_id=record.id,
            created_at=record.created_at,
            requested={},
            resolved={"precision": precision},
        )
        studio._stores.experiments.write_run_config(imported_id, config)
    found = compare(studio, imported_id, *(record.id for record in records))
    (note,) = [note for note in found.notes if note.code == "different_precision"]
    assert "(A in bf16-mixed, B in 32 bit)" in note.message
    assert note.experiments == [record.id for record in records[:2]]
    same = compare(studio, imported_id, records[1].id, records[2].id)
    assert "different_precision" not in codes(same)


def test_evaluations_of_other_images_and_of_training_images_are_noted(studio: Studio, imported_id: str) -> None:
    names = ["First", "Second", "Third"]
    records = [train_to_end(studio, imported_id, create_experiment(studio, imported_id, name)) for name in names]
    for record, subsets in zip(records, [("test", "train"), ("val",), ("train",)], strict=True):
        evaluate(studio, imported_id, record.id, *subsets)
    found = compare(studio, imported_id, *(record.id for record in records))
    assert codes(found) == ["no_common_images", "seen_in_training", "seen_in_training", "different_images"]
    assert [test.other for test in found.tests] == [records[2].id]
    assert found.images.num_common == 0


def test_what_cannot_be_compared(studio: Studio, imported_id: str) -> None:
    first, second = (create_experiment(studio, imported_id, name) for name in ("First", "Second"))
    for wrong in ([first.id], [first.id, first.id], [f"exp-{number:08x}" for number in range(7)]):
        with pytest.raises(ValidationFailedError):
            compare(studio, imported_id, *wrong)
    with pytest.raises(ValidationFailedError):
        compare(studio, imported_id, first.id, second.id, only="exp-00000000")
    with pytest.raises(ExperimentNotFoundError):
        compare(studio, imported_id, first.id, "exp-00000000")
    with pytest.raises(NotFoundError):
        compare(studio, "proj-00000000", first.id, second.id)
    other = studio.projects.create_project(ProjectCreate(name="Other", task=studio.tasks.list_tasks().tasks[0].id))
    with pytest.raises(ExperimentNotFoundError):
        compare(studio, other.id, first.id, second.id)
    untrained = compare(studio, imported_id, first.id, second.id)
    assert [side.epochs for side in untrained.experiments] == [[], []]


def test_figures_say_what_their_intervals_do_not_cover(studio: Studio, imported_id: str) -> None:
    ids = []
    for name in ("First", "Second"):
        ids.append(train_to_end(studio, imported_id, create_experiment(studio, imported_id, name)).id)
        evaluate(studio, imported_id, ids[-1])
    path = studio._paths.evaluation_dir(imported_id, ids[0]) / "aggregate.json"
    aggregate = json.loads(path.read_text()) | {"interval_limits": {"unseen_share": 0.5, "note": "It can miss some."}}
    aggregate["intervals"] = {"accuracy": {"low": 0.25, "high": 0.875, "level": 0.95}}
    path.write_text(json.dumps(aggregate))
    found = compare(studio, imported_id, *ids)
    assert [side.headline["accuracy"].not_covered for side in found.experiments] == ["It can miss some.", None]
    assert found.name_limits() == ("It can miss some.",)


def test_ids_come_joined_or_repeated() -> None:
    ids = [f"exp-0000000{number}" for number in range(3)]
    assert CompareQuery.model_validate({"experiments": [",".join(ids)]}).experiments == ids
    assert CompareQuery.model_validate({"experiments": ids}).experiments == ids


def test_a_relabelled_image_is_another_image() -> None:
    rows = [{"filename": name, "ground_truth": {"class_id": 0}, "correct": True, "subset": "test"} for name in "abc"]
    changed = [rows[2], rows[1] | {"ground_truth": {"class_id": 1}}, rows[0] | {"correct": False}]
    common = find_common([score_rows(rows, CORRECT, (1, 1, 1)), score_rows(changed, CORRECT, (2, 2, 2))])
    assert common.filenames == ["a", "c"]
    assert common.values.tolist() == [[1.0, 1.0], [0.0, 1.0]]
    assert common.rows.tolist() == [[0, 2], [2, 0]]


def test_errors_are_ranked_by_how_far_they_are_apart() -> None:
    rows = [
        {"filename": name, "off": {"most": error}} for name, error in zip("abcd", [0.1, 0.5, 0.2, None], strict=True)
    ]
    others = [
        {"filename": name, "off": {"most": error}} for name, error in zip("abcd", [0.2, 0.1, 0.2, 1], strict=True)
    ]
    common = find_common([score_rows(rows, ERRORS, (1, 1, 1)), score_rows(others, ERRORS, (2, 2, 2))])
    assert common.filenames == ["a", "b", "c"]
    best, order = rank_images(common.values, "error")
    assert order.tolist() == [1, 0]
    assert best.tolist() == [[True, False, True], [False, True, True]]


def test_a_hundred_thousand_rows_are_scored_and_matched_in_bounded_time() -> None:
    rows = [
        {"filename": f"{number}.png", "ground_truth": {"class_id": number % 7}, "correct": number % 5 > 0}
        for number in range(100_000)
    ]
    started_s = time.process_time()
    scores = score_rows(rows, CORRECT, (1, 1, 1))
    common = find_common([scores, scores])
    assert np.array_equal(common.values[0], common.values[1])
    assert time.process_time() - started_s < 5


def test_copies_of_training_images_are_noted_beside_the_figures(studio: Studio, imported_id: str) -> None:
    records = [train_to_end(studio, imported_id, create_experiment(studio, imported_id, name)) for name in ("A", "B")]
    for record in records:
        evaluate(studio, imported_id, record.id)
    path = studio._paths.evaluation_dir(imported_id, records[1].id) / "aggregate.json"
    leaks = {"num_images": 4, "identical": {"images": 3, "without": {"num_images": 1}}}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"leaks": leaks}))
    found = compare(studio, imported_id, *(record.id for record in records))
    (note,) = [note for note in found.notes if note.code == "leaks"]
    assert note.experiments == [records[1].id]
    assert note.message.startswith("B: 3 of the 4 evaluated images are identical to training images.")
