"""What a run tells the next forecast."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from app.datasets.batch_reader import ReadStatistics
from app.schemas.arithmetic import RunMeasurement
from app.training.features import compute_features
from app.training.measurement import PassSpeed, Rate, SpeedMeter, subtract
from app.training.run import run
from app.training.validation import validate
from tests.training.fakes import TinyNet, Workplace, command_after, run_fake
from tests.training.test_feature_start import open_context

DAWDLE_S = 1.0

CACHED = ReadStatistics(num_cached=8, waited_s=0.1)
DECODED = ReadStatistics(num_decoded=8, decoded_megapixels=2.0, waited_s=3.0)


def test_images_from_the_cache_count_before_those_that_were_decoded() -> None:
    speed = PassSpeed()
    speed.add(8, 5.0, DECODED)
    assert speed.images_per_s == pytest.approx(8 / 2.0)
    speed.add(8, 1.0, CACHED)
    assert speed.images_per_s == pytest.approx(8.0)
    assert PassSpeed().images_per_s is None


def test_the_first_steps_of_a_process_do_not_count() -> None:
    meter = SpeedMeter()
    for seconds in (30.0, 20.0, 1.0, 1.0):
        meter.count_step(4, seconds, CACHED)
    assert meter.steps.cached == Rate(8, 2.0)
    meter.overheads_s += [1.0, 2.0]
    assert meter.epoch_overhead_s == 1.5


def test_what_was_read_between_two_moments() -> None:
    later = ReadStatistics(10, 5.0, 4.0, 20, 0.5, 3.5)
    assert subtract(later, ReadStatistics(4, 2.0, 1.0, 15, 0.25, 3.0)) == ReadStatistics(6, 3.0, 3.0, 5, 0.25, 0.5)


def test_a_run_measures_itself(workplace: Workplace) -> None:
    payload = workplace.payload({"max_epochs": 4})
    payload.dataset.cache_dir = str(workplace.root / "cache")
    result = run_fake(workplace.context("run", payload), payload)
    measured = RunMeasurement.model_validate(result["measurement"])
    assert (measured.source, measured.key.backbone, measured.key.batch_size) == ("run", "tiny", 4)
    assert measured.train_images_per_s > 0
    assert measured.eval_images_per_s is not None
    assert measured.decode_megapixels_per_s is not None
    assert measured.feature_images_per_s is None
    assert measured.peak_ram_mb > 50
    assert measured.startup_s >= 0


def measure_start(run_it: Callable[[], dict[str, Any]]) -> tuple[float, float]:
    """Return the seconds of the start that a run says, and those of all of it."""
    began_s = time.monotonic()
    result = run_it()
    return RunMeasurement.model_validate(result["measurement"]).startup_s, time.monotonic() - began_s


def test_computing_features_is_no_part_of_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dawdle(*args: Any) -> Any:
        time.sleep(DAWDLE_S)
        return compute_features(*args)

    monkeypatch.setattr("app.training.feature_start.compute_features", dawdle)
    context = open_context(tmp_path)
    startup_s, whole_s = measure_start(lambda: run(context))
    assert 0.0 < startup_s <= whole_s - DAWDLE_S


def test_an_attempt_that_broke_is_no_part_of_the_start(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, seen = TinyNet.forward, 0

    def forward(self: TinyNet, images: Tensor) -> Any:
        nonlocal seen
        seen += 1
        if seen == 1:
            time.sleep(DAWDLE_S)
            raise MemoryError
        return plain(self, images)

    monkeypatch.setattr(TinyNet, "forward", forward)
    payload = workplace.payload({"max_epochs": 1})
    startup_s, whole_s = measure_start(lambda: run_fake(workplace.context("run", payload), payload))
    assert 0.0 < startup_s <= whole_s - DAWDLE_S


def test_validating_an_epoch_that_a_pause_left_open_is_no_part_of_the_start(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = workplace.payload({"max_epochs": 2})
    paused = workplace.context("run", payload)
    paused.decide = command_after(6 + 1, "pause")
    run_fake(paused, payload)

    def dawdle(*args: Any) -> Any:
        time.sleep(DAWDLE_S)
        return validate(*args)

    monkeypatch.setattr("app.training.callbacks.epoch_end.validate", dawdle)
    resumed = workplace.payload({"max_epochs": 2}, resume_from=str(paused.output_dir / "checkpoints/last.ckpt"))
    startup_s, whole_s = measure_start(lambda: run_fake(workplace.context("run", resumed), resumed))
    # The second epoch is validated too.
    assert 0.0 < startup_s <= whole_s - 2 * DAWDLE_S


def test_a_run_that_fills_a_memory_measures_nothing(workplace: Workplace) -> None:
    payload = workplace.payload(model={"backbone": "means"})
    assert run_fake(workplace.context("run", payload), payload)["measurement"] is None
