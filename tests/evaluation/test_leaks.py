"""Evaluated images that training has seen: counted, and the score without them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn import metrics as reference

from app.annotations.label import Label
from app.datasets.table import DatasetTable, ImageRecord, StatsRecord, encode_dataset
from app.evaluation.leaks import find_trained, measure_leaks
from app.evaluation.run import run
from app.schemas.leaks import EvaluatedWithout
from app.schemas.payloads import DatasetLocation
from tests.evaluation.factory import FakeContext, World


def image(name: str, subsets: Sequence[str], content: str, label: int = 0) -> ImageRecord:
    return ImageRecord(name, 8, 8, list(subsets), [Label(label, str(label))], content_hash=content)


def make_table(*images: ImageRecord, splits: Sequence[str] = ("main",)) -> DatasetTable:
    stats = StatsRecord(len(images), 8, 8, 8, 8, ["png"])
    return DatasetTable("dataset-00000000", "any", "csv", "", "", ["0", "1"], list(splits), stats, list(images))


def rows(*names: str) -> list[dict[str, Any]]:
    return [{"filename": name} for name in names]


def count(results: Sequence[Mapping[str, Any]]) -> EvaluatedWithout:
    return EvaluatedWithout(num_images=len(results), metrics={"names": float(len(results))})


def test_copies_of_training_images_are_counted_with_those_of_another_label() -> None:
    table = make_table(
        image("a", ["train"], "x", 0),
        image("b", ["train"], "x", 1),
        image("c", ["train"], "y", 0),
        image("same", ["test"], "x", 1),
        image("other", ["test"], "y", 1),
        image("new", ["test"], "z"),
        image("no hash", ["test"], ""),
    )
    found = measure_leaks(table, ["main"], rows("same", "other", "new", "no hash"), count)
    assert (found.num_images, found.trained_on) == (4, 0)
    assert (found.identical.images, found.identical.other_label) == (2, 1)
    assert found.identical.without == EvaluatedWithout(num_images=2, metrics={"names": 2.0})


def test_nothing_is_measured_again_where_nothing_leaks() -> None:
    table = make_table(image("a", ["train"], "x"), image("b", ["test"], "y"))

    def refuse(_: object) -> EvaluatedWithout:
        raise AssertionError

    assert measure_leaks(table, ["main"], rows("b"), refuse).identical.without is None


def test_training_images_that_are_evaluated_are_not_called_copies_and_not_kept_in_the_rest() -> None:
    table = make_table(image("a", ["train"], "x"), image("b", ["test"], "x"), image("c", ["test"], "y"))
    found = measure_leaks(table, ["main"], rows("a", "b", "c"), count)
    assert (found.trained_on, found.identical.images) == (1, 1)
    assert found.identical.without == EvaluatedWithout(num_images=1, metrics={"names": 1.0})


def test_without_any_image_left_there_is_no_score() -> None:
    table = make_table(image("a", ["train"], "x"), image("b", ["test"], "x"))
    assert measure_leaks(table, ["main"], rows("b"), count).identical.without == EvaluatedWithout(num_images=0)


def test_what_a_forks_origin_was_trained_on_is_seen_too() -> None:
    table = make_table(
        image("a", ["train", "test"], "x"), image("b", ["test", "train"], "y"), splits=["first", "second"]
    )
    assert set(find_trained(table, ["second", "first", "deleted"])) == {"a", "b"}
    assert set(find_trained(table, ["second"])) == {"b"}


def leak(world: World, folder: Path, num_copies: int) -> DatasetLocation:
    """Return a dataset in which the first of the 8 test images have the content of training images."""
    images = [
        msgspec.structs.replace(row, content_hash=str(number + 12 if number < num_copies else number))
        for number, row in enumerate(world.table.images)
    ]
    (folder / "dataset.json").write_bytes(encode_dataset(msgspec.structs.replace(world.table, images=images)))
    return world.location.model_copy(update={"dataset_json": str(folder / "dataset.json")})


def evaluate(world: World, folder: Path, location: DatasetLocation) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    payload = world.payload(batch_size=4, device="cpu", dataset=location.model_dump())
    run(FakeContext(folder, "evaluate", payload))
    results = json.loads((folder / "results.json").read_text())["results"]
    return results, json.loads((folder / "aggregate.json").read_text())


def test_the_score_without_copies_is_that_of_the_other_rows(label_world: World, tmp_path: Path) -> None:
    results, aggregate = evaluate(label_world, tmp_path, leak(label_world, tmp_path, 3))
    found = aggregate["leaks"]["identical"]
    rest = [row for row in results if row["filename"] >= "image_03"]
    truth, predicted = ([row[key]["class_id"] for row in rest] for key in ("ground_truth", "prediction"))
    assert (found["images"], found["other_label"], found["without"]["num_images"]) == (3, 0, 5)
    assert found["without"]["metrics"]["accuracy"] == pytest.approx(reference.accuracy_score(truth, predicted))
    assert set(found["without"]["intervals"]) <= set(aggregate["intervals"])
    assert "accuracy" in found["without"]["intervals"]


def test_the_error_without_copies_is_that_of_the_other_rows(values_world: World, tmp_path: Path) -> None:
    results, aggregate = evaluate(values_world, tmp_path, leak(values_world, tmp_path, 3))
    rest = [row for row in results if row["filename"] >= "image_03"]
    errors = np.abs([np.subtract(row["ground_truth"], row["prediction"]) for row in rest])
    found = aggregate["leaks"]["identical"]
    assert found["other_label"] == 3  # each image has numbers of its own
    assert found["without"]["metrics"]["mae"] == pytest.approx(float(errors.mean()), rel=1e-9)


def test_a_test_set_of_copies_leaves_no_score(label_world: World, tmp_path: Path) -> None:
    _, aggregate = evaluate(label_world, tmp_path, leak(label_world, tmp_path, 8))
    assert aggregate["leaks"]["identical"]["images"] == 8
    assert aggregate["leaks"]["identical"]["without"] == {
        "num_images": 0,
        "metrics": {},
        "intervals": {},
        "not_enough_images": {},
    }
    assert aggregate["accuracy"] >= 0.0
