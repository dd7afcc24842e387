"""Keys of measurements: the same for the same settings, another for everything that speed depends on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.datasets.augmentation_catalog import TRANSFORMS
from app.schemas.arithmetic import MeasurementKey
from app.schemas.experiments import AugmentationSettings, HardwareSettings, ModelSettings
from app.schemas.hyperparameters import Hyperparameters
from app.schemas.measurement_keys import (
    PREPROCESSING_TRANSFORMS,
    _read_processor,
    build_measurement_key,
    count_devices,
    find_device_name,
    read_cpu_name,
)
from app.schemas.payloads import DatasetLocation, TrainPayload
from app.schemas.tasks import AugmentationEntry

NAMES = ("Resize", "RandomHorizontalFlip", "ColorJitter", "Normalize")


def build(hardware: dict[str, Any] | None = None, source_scale: float = 1.0, **changes: Any) -> MeasurementKey:
    payload = TrainPayload(
        task="colours",
        experiment_id="exp-00000000",
        run_id="run-00000000",
        dataset=DatasetLocation(dataset_json="", images_dir="", cache_dir=""),
        split_name="main",
        model=ModelSettings(backbone="tiny"),
        hyperparameters={},
        augmentations=AugmentationSettings(train=[AugmentationEntry(name=name) for name in NAMES]),
        hardware=HardwareSettings(**(hardware or {})),
        weights_dir="",
    )
    chosen = Hyperparameters(**({"batch_size": 8} | changes))
    return build_measurement_key(payload, chosen, (16, 24), "A processor", 1, source_scale)


def test_a_key_holds_what_was_asked_for() -> None:
    key = build()
    assert (key.batch_size, key.image_size, key.precision, key.compile) == (8, (16, 24), "auto", "auto")
    assert key.augmentations == "RandomHorizontalFlip,ColorJitter"
    assert key.torch[0].isdigit()
    assert MeasurementKey.model_validate_json(key.model_dump_json()) == key == build()


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 16},
        {"auto_batch_size": True},
        {"optimizer": "sgd"},
        {"ema": True},
        {"deterministic": False},
        {"source_scale": 2.0},
        {"hardware": {"precision": "32"}},
        {"hardware": {"memory_format": "contiguous"}},
        {"hardware": {"fused_optimizer": "off"}},
        {"hardware": {"compile": "off"}},
    ],
)
def test_what_speed_depends_on_makes_another_key(changes: dict[str, Any]) -> None:
    assert build(**changes) != build()


def test_preprocessing_is_what_the_catalogue_calls_not_random() -> None:
    assert frozenset(name for name, item in TRANSFORMS.items() if not item.is_random) == PREPROCESSING_TRANSFORMS


def test_devices_have_the_names_of_their_drivers() -> None:
    assert find_device_name(["gpu:1", "gpu:0"], ["New A", "New B"]) == "New B"
    assert find_device_name(["gpu:0"], []) is None
    assert find_device_name(["cpu"], ["New A"]) == read_cpu_name()
    assert read_cpu_name().endswith(" cores")
    assert count_devices(["gpu:0", "gpu:0", "gpu:1"]) == 2


def test_a_processor_without_a_name_is_named_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: Fast 9000\nprocessor\t: 1\nmodel name\t: Fast 9000\n")
    assert _read_processor(file) == "Fast 9000"
    assert _read_processor(tmp_path / "missing")


def test_the_module_needs_no_torch() -> None:
    code = "import sys, app.schemas.measurement_keys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
