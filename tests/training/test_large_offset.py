"""Values far from 0, like seconds since 1970: training, evaluation and the exported file tell their differences."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from app.annotations.values import Value
from app.core.forecast.formula import estimate_checkpoint_mb
from app.datasets.table import DatasetTable, ImageRecord, StatsRecord, encode_dataset
from app.evaluation.run import run as evaluate
from app.export.run import run as export
from app.schemas.events import EpochFinished
from app.schemas.experiments import AugmentationSettings, HardwareSettings, ModelSettings
from app.schemas.payloads import DatasetLocation, TrainPayload
from app.tasks.registry import get_spec
from app.training.run import run as train
from tests.evaluation.factory import FakeContext as EngineContext
from tests.training.fakes import FakeContext

NUM_IMAGES = 24


def draw_dataset(root: Path, offset: float) -> DatasetLocation:
    """Write grey squares, each a level brighter than the one before; the value is its number beyond the offset."""
    (root / "images").mkdir()
    rows = []
    for number in range(NUM_IMAGES):
        level = np.full((32, 32, 3), 10 * number, dtype=np.uint8)
        Image.fromarray(level).save(root / "images" / f"{number:02}.png")
        subset = "val" if number % 3 == 1 else "train"
        value = Value([offset + number])
        rows.append(ImageRecord(f"{number:02}.png", 32, 32, [subset], [value], content_hash=str(number)))
    stats = StatsRecord(len(rows), 32, 32, 32, 32, ["png"])
    table = DatasetTable("dataset-00000000", "regression", "csv", "-", "-", [], ["main"], stats, rows)
    (root / "dataset.json").write_bytes(encode_dataset(table))
    return DatasetLocation(
        dataset_json=str(root / "dataset.json"), images_dir=str(root / "images"), cache_dir=str(root / "cache")
    )


def train_on(root: Path, location: DatasetLocation) -> list[dict[str, Any]]:
    """Train a small model; return its epochs."""
    settings = {"image_size": 32, "batch_size": 8, "max_epochs": 12, "warmup_epochs": 1, "num_workers": 0}
    payload = TrainPayload(
        task="regression",
        experiment_id="exp-00000001",
        run_id="run-00000001",
        dataset=location,
        split_name="main",
        model=ModelSettings(backbone="resnet18", pretrained=False, dropout=0.0),
        hyperparameters=settings | {"early_stopping_patience": 0},
        augmentations=AugmentationSettings(),
        hardware=HardwareSettings(precision="32", compile="off"),
        weights_dir=str(root / "weights"),
    )
    context = FakeContext(root, payload)
    train(context)
    return [event.metrics.model_dump() for event in context.of(EpochFinished)]


def check_forecast_of_disk(folder: Path) -> None:
    """Compare the real checkpoints with what a forecast says of them before any was written."""
    spec = get_spec("regression")
    [parameters_m] = [item.parameters_m for item in spec.info.architectures if item.id == "resnet18"]
    forecast_mb = estimate_checkpoint_mb(parameters_m, spec.hyperparameters().model_dump(), is_frozen=False)
    sizes = [path.stat().st_size / 2**20 for path in folder.glob("*.ckpt")]
    assert len(sizes) == 2
    assert sizes == pytest.approx([forecast_mb] * 2, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("offset", [1_700_000_000.0, 1e8])
def test_training_evaluation_and_export_agree(tmp_path: Path, offset: float) -> None:
    location = draw_dataset(tmp_path, offset)
    epochs = train_on(tmp_path, location)
    shared = {
        "task": "regression",
        "experiment_id": "exp-00000001",
        "run_id": "run-00000001",
        "checkpoint_path": str(tmp_path / "checkpoints" / "last.ckpt"),
        "dataset": location.model_dump(),
        "split_name": "main",
        "split_subsets": ["val"],
    }
    asked = shared | {"batch_size": 4, "device": "cpu"}
    evaluate(EngineContext(tmp_path / "evaluation", "evaluate", asked))
    aggregate = json.loads((tmp_path / "evaluation" / "aggregate.json").read_text())
    results = json.loads((tmp_path / "evaluation" / "results.json").read_text())["results"]
    assert len(epochs) == 12
    assert len(results) == NUM_IMAGES // 3
    # A model that tells the images apart is neither perfect nor constant after twelve epochs.
    assert aggregate["mae"] > 0.001
    assert aggregate["r_squared"] > 0.3
    assert len({row["prediction"][0] for row in results}) == len(results)
    for ours, theirs in (("val_mae", "mae"), ("val_rmse", "rmse"), ("val_r2", "r_squared")):
        assert aggregate[theirs] == pytest.approx(epochs[-1][ours], rel=1e-5, abs=1e-6), theirs
    folder = tmp_path / "export"
    further = {"export_id": "export-00000001", "format": "onnx", "options": {}, "licence": "-"}
    result = export(EngineContext(folder, "export", shared | further))
    assert result["validation"]["passed"]
    check_forecast_of_disk(tmp_path / "checkpoints")
    certificate = json.loads((folder / "parity.json").read_text())
    assert certificate["metric_exported"]["r_squared"] == pytest.approx(aggregate["r_squared"], abs=1e-3)
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    images = np.stack([np.full((3, 32, 32), 10 * number, dtype=np.uint8) for number in range(1, NUM_IMAGES, 3)])
    answers = np.asarray(session.run(["values"], {"images": images})[0])[:, 0]
    assert answers.tolist() == pytest.approx([row["prediction"][0] for row in results], abs=1e-3)
    with zipfile.ZipFile(folder / "bundle.zip") as archive:
        scales = json.loads(archive.read("golden/expected.json"))["scales"]["values"]
    assert 5.0 < scales[0] < 9.0
