"""The job that evaluates: its files, its numbers, and how it ends."""

from __future__ import annotations

import errno
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from sklearn import metrics as reference

from app.datasets import batch_reader
from app.datasets.pixels.colours import Array
from app.datasets.placement import Placement
from app.datasets.reading import ResizePlan, read_pixels
from app.datasets.sample_cache import SampleCache
from app.datasets.table import ImageRecord, encode_dataset
from app.evaluation import run as run_module
from app.evaluation.inference import SkippedImage
from app.evaluation.run import describe_skipped, run
from app.schemas.job_context import JobCancelled, JobFailure
from app.schemas.parts import Aggregate
from app.schemas.payloads import DatasetLocation
from app.storage.evaluation_documents import read_aggregate
from app.tasks.registry import load_metrics
from app.tasks.trained import load_trained
from tests.evaluation.factory import CLASSES, FakeContext, World


def evaluate(world: World, folder: Path, **changes: Any) -> tuple[FakeContext, dict[str, Any]]:
    """Run the job; returns its context and its result."""
    payload = world.payload(**({"batch_size": 3, "device": "cpu"} | changes))
    context = FakeContext(folder, "evaluate", payload)
    return context, run(context)


def read(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the result rows and the aggregate."""
    results = json.loads((folder / "results.json").read_text())["results"]
    return results, json.loads((folder / "aggregate.json").read_text())


def test_label_metrics_equal_scikit_learn(label_world: World, tmp_path: Path) -> None:
    evaluate(label_world, tmp_path, split_subsets=["test", "val"])
    results, aggregate = read(tmp_path)
    truth = [row["ground_truth"]["class_id"] for row in results]
    predicted = [row["prediction"]["class_id"] for row in results]
    average = {"average": "macro", "zero_division": 0.0}
    assert len(results) == 12
    assert aggregate["accuracy"] == pytest.approx(reference.accuracy_score(truth, predicted), abs=1e-9)
    assert aggregate["f1_macro"] == pytest.approx(reference.f1_score(truth, predicted, **average), abs=1e-9)
    expected = reference.precision_score(truth, predicted, **average)
    assert aggregate["precision_macro"] == pytest.approx(expected, abs=1e-9)
    assert aggregate["recall_macro"] == pytest.approx(reference.recall_score(truth, predicted, **average), abs=1e-9)
    matrix = reference.confusion_matrix(truth, predicted, labels=range(len(CLASSES)))
    assert aggregate["confusion_matrix"] == matrix.tolist()


def test_value_metrics_equal_scikit_learn(values_world: World, tmp_path: Path) -> None:
    evaluate(values_world, tmp_path, split_subsets=["test", "val"])
    results, aggregate = read(tmp_path)
    truth = [row["ground_truth"] for row in results]
    predicted = [row["prediction"] for row in results]
    assert len(results) == 12
    assert aggregate["mae"] == pytest.approx(reference.mean_absolute_error(truth, predicted), rel=1e-9)
    assert aggregate["mse"] == pytest.approx(reference.mean_squared_error(truth, predicted), rel=1e-9)
    assert aggregate["rmse"] == pytest.approx(reference.root_mean_squared_error(truth, predicted), rel=1e-9)
    assert aggregate["r_squared"] == pytest.approx(reference.r2_score(truth, predicted), rel=1e-9)


def test_the_report_stands_beside_the_keys_of_the_task(world: World, tmp_path: Path) -> None:
    _, result = evaluate(world, tmp_path, split_subsets=["val", "test"])
    _, aggregate = read(tmp_path)
    report = Aggregate.model_validate({name: aggregate[name] for name in ("headline", "parts")})
    assert {name: figure.value for name, figure in report.headline.items()} == result["headline"]
    for name, interval in aggregate["intervals"].items():
        assert report.headline[name].interval == (interval["low"], interval["high"])
    assert len(report.parts) == 3
    assert read_aggregate(tmp_path / "aggregate.json") == aggregate


def test_a_task_is_told_where_each_image_lies(
    label_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = load_metrics(label_world.task)
    seen: list[tuple[ImageRecord, Placement]] = []

    def keep_places(outputs: Any, rows: Any, places: list[Placement], context: Any) -> list[dict[str, Any]]:
        seen.extend(zip(rows, places, strict=True))
        return part.result_rows(outputs, rows, places, context)

    fake = SimpleNamespace(**{**vars(part), "result_rows": keep_places})
    monkeypatch.setattr(run_module, "load_metrics", lambda _: fake)
    evaluate(label_world, tmp_path)
    trained = load_trained(label_world.checkpoint)
    assert len(seen) >= 8
    for row, place in seen:
        assert (place.image_size, place.input_size) == ((row.height, row.width), trained.context.image_size)
        assert place.recipe == trained.recipe


def test_results_are_pooled_sorted_and_say_their_subset(world: World, tmp_path: Path) -> None:
    _, result = evaluate(world, tmp_path, split_subsets=["val", "test"])
    results, aggregate = read(tmp_path)
    names = [row["filename"] for row in results]
    assert names == sorted(image.filename for image in world.table.images if image.split[0] in {"val", "test"})
    assert [row["subset"] for row in results] == ["test"] * 8 + ["val"] * 4
    assert (aggregate["num_images"], aggregate["subsets"]) == (12, ["val", "test"])
    assert aggregate["checkpoint"] == "best"
    assert result["num_images"] == 12
    assert result["headline"] == {name: aggregate[name] for name in result["headline"]}
    assert len(result["headline"]) == 4


def test_intervals_hold_the_measured_value(world: World, tmp_path: Path) -> None:
    _, result = evaluate(world, tmp_path, split_subsets=["test", "val", "train"])
    _, aggregate = read(tmp_path)
    assert set(aggregate["intervals"]) == set(result["headline"])
    for name, interval in aggregate["intervals"].items():
        assert interval["low"] <= aggregate[name] <= interval["high"]
        assert interval["low"] < interval["high"]
        assert interval["level"] == 0.95


def test_a_second_run_gives_the_same_files(world: World, tmp_path: Path) -> None:
    evaluate(world, tmp_path / "a")
    evaluate(world, tmp_path / "b", batch_size=8)
    (results_a, aggregate_a), (results_b, aggregate_b) = read(tmp_path / "a"), read(tmp_path / "b")
    assert [row["filename"] for row in results_a] == [row["filename"] for row in results_b]
    assert set(aggregate_a) == set(aggregate_b)
    for name, interval in aggregate_a["intervals"].items():
        assert interval["low"] == pytest.approx(aggregate_b["intervals"][name]["low"], rel=1e-4)


def test_progress_begins_at_zero_and_ends_at_the_total(world: World, tmp_path: Path) -> None:
    context, _ = evaluate(world, tmp_path)
    progress = [(event.processed, event.total) for event in context.of_type("EVALUATION_PROGRESS")]
    assert progress[0] == (0, 8)
    assert progress[-1] == (8, 8)
    stages = [(event.stage_id, event.status) for event in context.of_type("STAGE_STATUS")]
    assert stages == [("REVIEW_EDIT", "IN_PROGRESS")]


def test_unreadable_images_are_skipped_and_named(label_world: World, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for path in Path(label_world.location.images_dir).iterdir():
        (images / path.name).write_bytes(path.read_bytes())
    (images / "image_03.png").write_bytes(b"no image")
    (images / "image_05.png").unlink()
    location = label_world.location.model_copy(update={"images_dir": str(images)})
    _, result = evaluate(label_world, tmp_path, dataset=location.model_dump())
    results, aggregate = read(tmp_path)
    assert result["num_images"] == len(results) == 6
    assert aggregate["skipped"]["count"] == 2
    assert [image["filename"] for image in aggregate["skipped"]["images"]] == ["image_03.png", "image_05.png"]


def test_no_readable_image_at_all_is_a_failure(label_world: World, tmp_path: Path) -> None:
    location = label_world.location.model_copy(update={"images_dir": str(tmp_path / "gone")})
    with pytest.raises(
        JobFailure,
        match=r"None of the 8 images can be read\. The first: The image day\d/\d\.png \(image_\d+\.png in the d",
    ):
        evaluate(label_world, tmp_path, dataset=location.model_dump())
    assert not (tmp_path / "aggregate.json").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split_name": "other"}, "no split 'other'. Its splits: main"),
        ({"device": "gpu:63"}, "gpu:63 is not available"),
        ({"checkpoint_path": "/nowhere/last.ckpt"}, "last.ckpt does not exist"),
    ],
)
def test_foreseen_failures_say_why(label_world: World, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    payload = label_world.payload(batch_size=3, device="cpu") | changes
    context = FakeContext(tmp_path, "evaluate", payload)
    with pytest.raises(JobFailure, match=message):
        run(context)


def test_an_empty_subset_is_named(label_world: World, tmp_path: Path) -> None:
    images = [image for image in label_world.table.images if image.split != ["val"]]
    table = msgspec.structs.replace(label_world.table, images=images)
    (tmp_path / "dataset.json").write_bytes(encode_dataset(table))
    location = DatasetLocation(dataset_json=str(tmp_path / "dataset.json"), images_dir=str(tmp_path), cache_dir="")
    with pytest.raises(JobFailure, match="subset 'val' of the split 'main' has no images"):
        evaluate(label_world, tmp_path, split_subsets=["test", "val"], dataset=location.model_dump())


def test_results_keep_the_names_of_the_source_where_these_are_others(world: World, tmp_path: Path) -> None:
    kept = {image.filename: f"dog/{number}.png" for number, image in enumerate(world.table.images) if number % 2}
    images = [msgspec.structs.replace(image, source_name=kept.get(image.filename, "")) for image in world.table.images]
    (tmp_path / "dataset.json").write_bytes(encode_dataset(msgspec.structs.replace(world.table, images=images)))
    location = world.payload()["dataset"] | {"dataset_json": str(tmp_path / "dataset.json")}
    evaluate(world, tmp_path, split_subsets=["test", "val"], dataset=location)
    results, _ = read(tmp_path)
    found = {row["filename"]: row["source_name"] for row in results if "source_name" in row}
    assert found == {row["filename"]: kept[row["filename"]] for row in results if row["filename"] in kept}
    assert 0 < len(found) < len(results)


@pytest.mark.parametrize(
    ("source_name", "named"),
    [
        ("dog/3.png", {"filename": "3_1.png", "source_name": "dog/3.png"}),
        ("3_1.png", {"filename": "3_1.png"}),
        ("", {"filename": "3_1.png"}),
    ],
)
def test_a_skipped_image_keeps_its_name_of_the_source(source_name: str, named: dict[str, str]) -> None:
    described = describe_skipped([SkippedImage("3_1.png", "It is broken.", source_name)])
    assert described == {"count": 1, "images": [named | {"message": "It is broken."}]}


def test_cancel_in_the_middle_leaves_no_result(label_world: World, tmp_path: Path) -> None:
    def command(context: FakeContext) -> Any:
        return "cancel" if any(event.processed for event in context.of_type("EVALUATION_PROGRESS")) else None

    payload = label_world.payload(batch_size=1, device="cpu")
    context = FakeContext(tmp_path, "evaluate", payload, command)
    with pytest.raises(JobCancelled):
        run(context)
    assert 0 < max(event.processed for event in context.of_type("EVALUATION_PROGRESS")) < 8
    assert list(tmp_path.iterdir()) == []


def test_every_number_in_the_files_is_finite(world: World, tmp_path: Path) -> None:
    evaluate(world, tmp_path)

    def refuse(name: str) -> float:
        raise AssertionError(name)

    for name in ("results.json", "aggregate.json"):
        json.loads((tmp_path / name).read_text(), parse_constant=refuse)
    _, aggregate = read(tmp_path)
    assert all(math.isfinite(value) for value in aggregate.values() if isinstance(value, float))


def test_a_second_evaluation_and_one_of_more_images_decode_only_what_is_new(
    label_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []

    def count(row: ImageRecord, images_dir: Path, plan: ResizePlan | None) -> Array:
        decoded.append(row.filename)
        return read_pixels(row, images_dir, plan)

    monkeypatch.setattr(batch_reader, "read_pixels", count)
    location = label_world.location.model_copy(update={"cache_dir": str(tmp_path / "cache")}).model_dump()
    evaluate(label_world, tmp_path / "a", dataset=location)
    assert len(decoded) == 8
    evaluate(label_world, tmp_path / "b", dataset=location)
    assert len(decoded) == 8
    assert read(tmp_path / "a")[0] == read(tmp_path / "b")[0]
    evaluate(label_world, tmp_path / "c", dataset=location, split_subsets=["test", "val"])
    assert len(decoded) == len(set(decoded)) == 12


def test_why_decoded_images_are_not_kept_stands_in_the_log_of_the_run(
    label_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = label_world.location.model_copy(update={"cache_dir": str(tmp_path / "cache")})
    small = location.model_copy(update={"cache_budget_bytes": 1000})
    off = location.model_copy(update={"cache_budget_bytes": 0})
    monkeypatch.setattr(SampleCache, "_write_row", fail_to_write)
    expected = [(small, "AI_STUDIO_CACHE_BUDGET"), (location, "No space left on device"), (off, "")]
    for number, (dataset, words) in enumerate(expected):
        (tmp_path / str(number)).mkdir()
        context, _ = evaluate(label_world, tmp_path / str(number), dataset=dataset.model_dump(mode="json"))
        lines = context.of_type("LOG_LINE")
        assert len(lines) == bool(words)
        assert all(words in line.text and line.level == "warning" and line.run_id for line in lines)


def fail_to_write(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
