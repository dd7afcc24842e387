"""The job that measures what a run would take: of fake tasks, and of a real one through the job's front door."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from app.datasets.augmenting.chain import BatchAugmentation
from app.schemas.arithmetic import RunMeasurement
from app.schemas.events import CheckpointSaved, JobProgressed
from app.schemas.experiments import HardwareSettings
from app.schemas.job_context import JobCancelled, JobFailure
from app.schemas.measurement_keys import build_measurement_key, read_cpu_name
from app.schemas.payloads import TrainPayload
from app.schemas.tasks import AugmentationEntry
from app.training import forecast_probe
from app.training.arithmetic.hardware import MachineCapabilities, resolve_hardware
from app.training.arithmetic.measuring import Computing, measure_evaluation, measure_features, time_calls
from app.training.arithmetic.rules import ArithmeticRequest, settle_without_measuring, take_known
from app.training.forecast_probe import measure_run, run
from app.training.inputs import TaskParts
from app.worker import HANDLERS
from tests.training.arithmetics import CPU, make_arithmetic
from tests.training.fakes import SETTLED, FakeContext, TinyNet, Workplace, build_parts

GROWING: dict[str, Any] = {"max_epochs": 1000, "auto_batch_size": True, "batch_size": 1}
FLIP = AugmentationEntry(name="RandomHorizontalFlip")


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    # Choosing ends by itself when all is compared; what is given only has to last on a busy machine.
    for name, seconds in {"CHOICE_S": 120.0, "TRAINING_S": 0.2, "OTHER_S": 0.1}.items():
        monkeypatch.setattr(forecast_probe, name, seconds)


def measure(
    workplace: Workplace, payload: TrainPayload, parts: TaskParts | None = None
) -> tuple[RunMeasurement, FakeContext]:
    context = workplace.context("probe", payload)
    result = measure_run(context, payload, parts or build_parts(), CPU)
    return RunMeasurement.model_validate_json(json.dumps(result["measurement"])), context


def test_a_probe_measures_a_run_and_leaves_nothing_behind(workplace: Workplace) -> None:
    payload = workplace.payload(GROWING, train=[FLIP])
    torch.manual_seed(1)
    found, context = measure(workplace, payload)
    assert found.source == found.choice.source == "probe"
    assert len(found.choice.candidates) >= 1
    assert min(found.train_images_per_s, found.eval_images_per_s or 0.0, found.decode_megapixels_per_s or 0.0) > 0.0
    assert 50.0 < found.peak_ram_mb < 20_000.0
    assert (found.feature_images_per_s, found.peak_vram_mb) == (None, None)
    assert 0.0 < found.startup_s < 60.0
    assert list(context.output_dir.iterdir()) == []
    assert context.of(CheckpointSaved) == []
    progress = [(event.done, event.total) for event in context.of(JobProgressed)]
    assert (progress[0], progress[-1]) == ((0, 5), (5, 5))
    assert progress == sorted(progress)


def test_a_run_finds_what_a_probe_measured(workplace: Workplace) -> None:
    payload = workplace.payload(GROWING, train=[FLIP])
    found, _ = measure(workplace, payload)
    hyperparameters = build_parts().spec.hyperparameters.model_validate(payload.hyperparameters)
    assert found.key == build_measurement_key(payload, hyperparameters, (16, 16), read_cpu_name(), 1)
    hardware = resolve_hardware(payload.hardware, CPU)
    request = ArithmeticRequest(payload.hardware, hardware, CPU, hyperparameters, 22, 500)
    settled = settle_without_measuring(request, found.choice)
    assert settled is not None
    assert (settled.source, settled.chosen) == ("earlier_run", found.choice.chosen)
    assert take_known(request, found.choice) == settled


def test_a_strong_crop_is_measured_on_images_as_large_as_a_run_keeps_them(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides: list[int] = []
    plain = BatchAugmentation.__call__

    def augment(self: BatchAugmentation, images: Tensor, *arguments: Any) -> tuple[Tensor, Any]:
        sides.append(images.shape[-1])
        return plain(self, images, *arguments)

    monkeypatch.setattr(BatchAugmentation, "__call__", augment)
    payload = workplace.payload(train=[AugmentationEntry(name="RandomResizedCrop"), FLIP], hardware=SETTLED)
    found, _ = measure(workplace, payload)
    assert set(sides) == {32}
    assert found.key.source_scale == 2.0


def test_explicit_settings_are_measured_as_they_are(workplace: Workplace) -> None:
    hardware = HardwareSettings(precision="32", memory_format="channels_last", fused_optimizer="off", compile="off")
    found, _ = measure(workplace, workplace.payload({"batch_size": 3}, hardware=hardware))
    wanted = make_arithmetic(memory_format="channels_last", is_optimizer_fused=False, batch_size=3, micro_batch_size=3)
    assert (found.choice.source, found.choice.chosen) == ("settings", wanted)
    assert found.choice.candidates == ()


def test_a_memory_that_is_filled_is_measured_in_filling(workplace: Workplace) -> None:
    found, _ = measure(workplace, workplace.payload(model={"backbone": "means"}))
    assert found.choice.source == "default"
    assert found.train_images_per_s > 0.0
    assert "filled in one pass" in found.choice.reason


def test_pretrained_weights_are_not_looked_for(workplace: Workplace) -> None:
    asked: list[Path | None] = []
    parts = build_parts()
    build = parts.module.build_model

    def build_model(context: Any, weights_dir: Path | None) -> nn.Module:
        asked.append(weights_dir)
        return build(context, weights_dir)

    parts.module.build_model = build_model  # type: ignore[method-assign]
    measure(workplace, workplace.payload(model={"pretrained": True}), parts)
    assert asked == [None]


def test_images_that_cannot_be_read_are_left_out(workplace: Workplace) -> None:
    broken = workplace.root / "images" / workplace.rows[0].filename
    broken.write_bytes(b"no image")
    found, _ = measure(workplace, workplace.payload())
    assert found.train_images_per_s > 0.0
    for row in workplace.rows:
        (workplace.root / "images" / row.filename).write_bytes(b"no image")
    with pytest.raises(JobFailure, match="None of 16 training images can be read"):
        measure(workplace, workplace.payload())


@pytest.mark.parametrize("after", [0, 1, 4, 9])
def test_a_probe_can_be_cancelled_at_any_time(workplace: Workplace, after: int) -> None:
    payload = workplace.payload()
    context = workplace.context("probe", payload)
    context.decide = lambda seen: "cancel" if seen.asked > after else None
    with pytest.raises(JobCancelled):
        measure_run(context, payload, build_parts(), CPU)
    assert context.asked == after + 1


def test_what_cannot_be_trained_is_a_plain_failure(workplace: Workplace) -> None:
    with pytest.raises(JobFailure, match=r"no gpu:0\. GPUs here: none"):
        measure(workplace, workplace.payload(hardware=HardwareSettings(selected_devices=["gpu:0"])))
    context = workplace.context("broken", workplace.payload())
    context.request.payload["unknown"] = 1
    with pytest.raises(JobFailure, match="request of this job cannot be read"):
        run(context)
    assert HANDLERS["probe"] == "app.training.forecast_probe:run"


@pytest.mark.parametrize("is_frozen", [False, True])
def test_a_real_classifier_is_measured(workplace: Workplace, is_frozen: bool) -> None:
    payload = workplace.payload(
        {"image_size": 32},
        {"backbone": "mobilenet_v3_small", "freeze_backbone": is_frozen},
        train=[FLIP],
        task="classification",
        hardware=HardwareSettings(compile="off"),
    )
    found = RunMeasurement.model_validate(run(workplace.context("real", payload))["measurement"])
    assert found.key.task == "classification"
    assert (found.feature_images_per_s is not None) is is_frozen
    if is_frozen:
        assert (found.feature_images_per_s or 0.0) > 0.0


class Frozen(TinyNet):
    """Offers its features."""

    def extract_features(self, images: Tensor) -> Tensor:
        features: Tensor = self.features(images.float() / 255.0).mean((2, 3))
        return features


def test_measuring_changes_no_model() -> None:
    model = Frozen(3, 0.0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8)
    computing = Computing(make_arithmetic(precision="bf16-mixed", memory_format="channels_last"), torch.device("cpu"))
    rate, features = measure_features(model, images, computing, 0.0)
    assert rate > 0.0
    assert (features.shape, features.dtype) == ((4, 4), torch.float32)
    assert measure_evaluation(model, images, torch.arange(4) % 3, computing, 0.0) > 0.0
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_calls_are_timed_at_least_once_after_one_to_warm_up() -> None:
    calls: list[int] = []
    computing = Computing(make_arithmetic(), torch.device("cpu"))
    time_calls(lambda: calls.append(1), computing, 0.0)
    assert len(calls) == 2
    time_calls(lambda: calls.append(1), computing, 1e9)
    assert len(calls) == 2 + 21


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_is_measured(workplace: Workplace) -> None:
    payload = workplace.payload(hardware=HardwareSettings(selected_devices=["gpu:0"]))
    name = torch.cuda.get_device_name(0)
    result = measure_run(workplace.context("gpu", payload), payload, build_parts(), MachineCapabilities((name,), True))
    found = RunMeasurement.model_validate(result["measurement"])
    assert found.key.device_name == name
    assert (found.peak_vram_mb or 0.0) > 0.0
