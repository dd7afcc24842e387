"""Nineteen images of one class for each of another: what the rare class gets, and by which metric the best is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.annotations.label import Label
from app.datasets.table import DatasetTable, ImageRecord, StatsRecord, encode_dataset
from app.schemas.events import EpochFinished, LogLine, RunConfigResolved
from app.schemas.experiments import AugmentationSettings, HardwareSettings, ModelSettings
from app.schemas.job_context import JobFailure
from app.schemas.payloads import DatasetLocation, TrainPayload
from app.training.run import run
from tests.training.fakes import FakeContext

CLASSES = ["common", "rare"]
NUM_TRAIN, NUM_VAL, EVERY = 200, 100, 20
SIDE_PX = 24


def draw(root: Path, every: int = EVERY) -> DatasetLocation:
    """Write grey noise; one image in twenty has a bright corner and is of the rare class."""
    (root / "images").mkdir()
    rows = []
    for number in range(NUM_TRAIN + NUM_VAL):
        subset = "train" if number < NUM_TRAIN else "val"
        is_rare = number % every == 0
        pixels = np.random.default_rng(number).integers(60, 150, (SIDE_PX, SIDE_PX, 3))
        if is_rare:
            pixels[:10, :10] += 70
        name = f"{number:03}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(root / "images" / name)
        label = Label(int(is_rare), CLASSES[int(is_rare)])
        rows.append(ImageRecord(name, SIDE_PX, SIDE_PX, [subset], [label], content_hash=name))
    stats = StatsRecord(len(rows), SIDE_PX, SIDE_PX, SIDE_PX, SIDE_PX, ["png"])
    table = DatasetTable(
        "dataset-00000000", "classification", "image_folders", "-", "-", CLASSES, ["main"], stats, rows
    )
    (root / "dataset.json").write_bytes(encode_dataset(table))
    return DatasetLocation(
        dataset_json=str(root / "dataset.json"), images_dir=str(root / "images"), cache_dir=str(root / "cache")
    )


def train(root: Path, location: DatasetLocation, **hyperparameters: Any) -> tuple[FakeContext, dict[str, Any]]:
    settings = {"image_size": 32, "batch_size": 8, "max_epochs": 4, "warmup_epochs": 1, "num_workers": 0}
    payload = TrainPayload(
        task="classification",
        experiment_id="exp-00000000",
        run_id="run-00000000",
        dataset=location,
        split_name="main",
        model=ModelSettings(backbone="resnet18", pretrained=False),
        hyperparameters=settings | {"checkpoint_class": "rare"} | hyperparameters,
        augmentations=AugmentationSettings(),
        hardware=HardwareSettings(precision="32", compile="off"),
        weights_dir=str(root / "weights"),
    )
    root.mkdir(exist_ok=True)
    context = FakeContext(root, payload)
    return context, run(context)


def epochs_of(context: FakeContext) -> list[dict[str, Any]]:
    return [event.metrics.model_dump() for event in context.of(EpochFinished)]


def resolved_of(context: FakeContext) -> Mapping[str, Any]:
    return context.of(RunConfigResolved)[0].resolved


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"class_weights": "balanced"}, {"sampler": "balanced"}])
def test_a_rare_class_is_found_with_weights_and_with_a_balanced_sampler(tmp_path: Path, settings: Any) -> None:
    location = draw(tmp_path)
    context, result = train(tmp_path / "run", location, checkpoint_metric="val_class_recall", **settings)
    epochs = epochs_of(context)
    best = epochs[result["best_epoch"] - 1]
    assert list(result["best_metric"]) == ["val_class_recall"]
    assert result["best_metric"]["val_class_recall"] == max(epoch["val_class_recall"] for epoch in epochs)
    assert best["val_class_recall"] >= 0.6


@pytest.mark.slow
def test_auto_keeps_the_checkpoint_by_f1_where_classes_are_unequal(tmp_path: Path) -> None:
    context, result = train(tmp_path / "run", draw(tmp_path), max_epochs=2, batch_size=32)
    epochs, resolved = epochs_of(context), resolved_of(context)
    assert resolved["monitored_metric"] == "val_f1"
    assert "190 training images of 'common', 10 of 'rare'" in resolved["monitored_reason"]
    assert list(result["best_metric"]) == ["val_f1"]
    assert result["best_epoch"] == max(range(2), key=lambda at: epochs[at]["val_f1"]) + 1
    assert "val_class_recall" not in epochs[0]
    assert any("chosen by val_f1" in line.text for line in context.of(LogLine))


@pytest.mark.slow
def test_accuracy_is_obeyed_and_warned_of(tmp_path: Path) -> None:
    context, result = train(tmp_path / "run", draw(tmp_path), max_epochs=1, checkpoint_metric="accuracy")
    assert list(result["best_metric"]) == ["val_accuracy"]
    [warning] = [line.text for line in context.of(LogLine) if "Always predicting" in line.text]
    assert "accuracy of about 95 %" in warning


@pytest.mark.slow
def test_auto_is_accuracy_where_classes_are_alike(tmp_path: Path) -> None:
    context, result = train(tmp_path / "run", draw(tmp_path, every=2), max_epochs=1)
    assert list(result["best_metric"]) == ["val_accuracy"]
    assert "similar numbers" in resolved_of(context)["monitored_reason"]


def test_the_recall_of_a_class_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JobFailure, match=r"'odd', which is not a class.*common, rare"):
        train(tmp_path / "run", draw(tmp_path), checkpoint_metric="val_class_recall", checkpoint_class="odd")
