"""Every task of the registry through the handler, with its default settings made small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from app.annotations.label import Label
from app.annotations.values import Value
from app.datasets.table import Annotation, DatasetTable, ImageRecord, StatsRecord, encode_dataset
from app.schemas.events import EpochFinished, RunConfigResolved
from app.schemas.experiments import AugmentationSettings, HardwareSettings, ModelSettings
from app.schemas.payloads import DatasetLocation, TrainPayload
from app.tasks.registry import get_spec, list_specs
from app.tasks.trained import load_trained
from app.training.run import run
from tests.training.fakes import FakeContext

CLASSES = ["dark", "light"]
SUBSETS = ["train"] * 10 + ["val"] * 4
TASKS = [spec.id for spec in list_specs().values() if spec.info.annotation_kind in {"label", "values"}]


def annotate(kind: str, level: int) -> Annotation:
    if kind == "values":
        return Value([float(level), 1000.0 - level])
    return Label(int(level > 127), CLASSES[int(level > 127)])


def draw_dataset(root: Path, task: str) -> DatasetLocation:
    """Write grey images with noise; the label or the value is their level."""
    kind = get_spec(task).info.annotation_kind
    (root / "images").mkdir()
    rows = []
    for number, subset in enumerate(SUBSETS):
        level = 40 if number % 2 else 200
        noise = np.random.default_rng(number).integers(0, 30, (36, 40, 3))
        Image.fromarray((noise + level).astype(np.uint8)).save(root / "images" / f"{number}.png")
        rows.append(ImageRecord(f"{number}.png", 40, 36, [subset], [annotate(kind, level)], content_hash=str(number)))
    stats = StatsRecord(len(rows), 40, 40, 36, 36, ["png"])
    classes = CLASSES if kind == "label" else []
    table = DatasetTable("dataset-00000000", task, "csv", "-", "-", classes, ["main"], stats, rows)
    (root / "dataset.json").write_bytes(encode_dataset(table))
    return DatasetLocation(
        dataset_json=str(root / "dataset.json"), images_dir=str(root / "images"), cache_dir=str(root / "cache")
    )


def make_context(root: Path, task: str, **hyperparameters: Any) -> FakeContext:
    spec = get_spec(task)
    settings = {"image_size": 32, "batch_size": 4, "max_epochs": 2, "num_workers": 0} | hyperparameters
    defaults = spec.info.default_augmentations
    payload = TrainPayload(
        task=task,
        experiment_id="exp-00000000",
        run_id="run-00000000",
        dataset=draw_dataset(root, task),
        split_name="main",
        model=ModelSettings(backbone="mobilenet_v3_small", pretrained=False),
        hyperparameters=spec.hyperparameters.model_validate(settings).model_dump(),
        augmentations=AugmentationSettings(train=list(defaults["train"]), val=list(defaults["val"])),
        hardware=HardwareSettings(),
        weights_dir=str(root / "weights"),
    )
    return FakeContext(root, payload)


def test_there_are_tasks() -> None:
    assert len(TASKS) >= 2


@pytest.mark.parametrize("task", TASKS)
def test_a_task_trains_and_its_checkpoint_can_be_used(tmp_path: Path, task: str) -> None:
    context = make_context(tmp_path, task)
    result = run(context)
    spec = get_spec(task)
    [record] = context.of(RunConfigResolved)
    assert record.resolved["images"] == {"train": 10, "val": 4, "test": 0}
    epochs = [event.metrics.model_dump() for event in context.of(EpochFinished)]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2]
    assert all(epoch[metric.name] is not None for epoch in epochs for metric in spec.info.epoch_metrics)
    # With several values no unit may decide alone: the loss is measured in the deviation of each.
    monitored = {"label": "val_accuracy", "values": "val_loss"}[spec.info.annotation_kind]
    assert list(result["best_metric"]) == [record.resolved["monitored_metric"]] == [monitored]
    assert record.resolved["monitored_reason"]
    trained = load_trained(tmp_path / "checkpoints/best.ckpt")
    assert trained.context.task == task
    assert trained.metadata["run_id"] == "run-00000000"
    outputs = trained.model(torch.zeros(3, 3, 32, 32, dtype=torch.uint8))
    assert {len(value) for value in outputs.values()} == {3}


@pytest.mark.parametrize("task", TASKS)
def test_mixed_precision_on_the_cpu_is_what_runs(tmp_path: Path, task: str) -> None:
    context = make_context(tmp_path, task, max_epochs=1)
    context.request.payload["hardware"] = {"selected_devices": ["cpu"], "precision": "bf16-mixed"}
    run(context)
    assert context.of(RunConfigResolved)[0].resolved["precision"] == "bf16-mixed"


def test_pretrained_weights_that_are_not_there_end_the_run_plainly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.schemas.job_context import JobFailure

    monkeypatch.setenv("AI_STUDIO_WEIGHTS_URL", "http://127.0.0.1:1")
    context = make_context(tmp_path, TASKS[0])
    context.request.payload["model"]["pretrained"] = True
    with pytest.raises(JobFailure, match="mobilenet_v3_small"):
        run(context)
