"""What a run tells the next forecast."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from app.datasets import pacing
from app.datasets.batch_reader import ReadStatistics
from app.models.vector import VectorModel
from app.schemas.arithmetic import ArithmeticChoice, ReadingPace, RunMeasurement
from app.schemas.events import RunConfigResolved
from app.training import start
from app.training.data_module import TrainingData
from app.training.measurement import WARMUP_STEPS, PassSpeed, Rate, SpeedMeter, subtract
from app.training.run import run
from app.training.validation import validate
from tests.training.arithmetics import make_arithmetic
from tests.training.fakes import TinyNet, Workplace, command_after, run_fake
from tests.training.features.test_start import open_context

CACHED = ReadStatistics(num_cached=8, waited_s=0.1)
DECODED = ReadStatistics(num_decoded=8, decoded_megapixels=2.0, waited_s=3.0)


def test_images_from_the_cache_count_before_those_that_were_decoded() -> None:
    speed = PassSpeed()
    speed.add(8, 5.0, DECODED)
    assert speed.images_per_s == pytest.approx(8 / 2.0)
    speed.add(8, 1.0, CACHED)
    assert speed.images_per_s == pytest.approx(8.0)
    assert PassSpeed().images_per_s is None


def test_decoding_on_the_cores_that_compute_is_no_part_of_the_speed_of_steps() -> None:
    reading = ReadStatistics(num_decoded=8, decode_cpu_s=6.0, waited_s=1.0)
    for shared_cores, images_per_s in ((None, 8 / 4.0), (2, 8 / 2.0)):
        meter = SpeedMeter(shared_cores)
        for _ in range(WARMUP_STEPS + 1):
            meter.count_step(8, 5.0, reading)
        assert meter.steps.images_per_s == pytest.approx(images_per_s)


def test_the_pace_of_reading_is_recorded_and_the_next_run_starts_with_it(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "MAX_TRIAL_SHARE", 1e9)
    payload = workplace.payload({"max_epochs": 3, "num_workers": 2, "batch_size": 2})
    payload.dataset.cache_dir = str(workplace.root / "cache")
    first = workplace.context("first", payload)
    known = RunMeasurement.model_validate(run_fake(first, payload)["measurement"])
    records = [event.resolved["reading"] for event in first.of(RunConfigResolved)]
    assert [record["source"] for record in records] == ["default", "measured"]
    assert len(records[1]["measured"]) == 2
    fastest = min(records[1]["measured"], key=lambda each: each["ms_per_image"])
    assert known.pace == ReadingPace(num_threads=2, lookahead=fastest["lookahead"])
    assert known.pace.model_dump() == records[1]["pace"]

    further = payload.model_copy(update={"known": known})
    second = workplace.context("second", further)
    again = RunMeasurement.model_validate(run_fake(second, further)["measurement"])
    (record,) = [event.resolved["reading"] for event in second.of(RunConfigResolved)]
    assert (record["source"], record["pace"], record["measured"]) == ("earlier_run", records[1]["pace"], [])
    assert again.pace == known.pace


def test_computing_features_measures_the_pace_of_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[tuple[int, int]] = []

    def tune(_: TrainingData, num_images: int, reading: ReadStatistics, step_s: float) -> None:
        assert step_s >= 0.0
        learned.append((num_images, reading.num_decoded))

    monkeypatch.setattr(TrainingData, "tune_pace", tune)
    run(open_context(tmp_path, num_workers=2))
    assert [pair for pair in learned if pair[0]] == [(10, 10), (4, 4)]


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
    started_s = time.monotonic()
    result = run_fake(workplace.context("run", payload), payload)
    took_s = time.monotonic() - started_s
    measured = RunMeasurement.model_validate(result["measurement"])
    assert (measured.source, measured.key.backbone, measured.key.batch_size) == ("run", "tiny", 4)
    assert measured.train_images_per_s > 0
    assert measured.eval_images_per_s is not None
    assert measured.decode_megapixels_per_s is not None
    assert measured.feature_images_per_s is None
    assert measured.peak_ram_mb > 50
    assert 0.0 < measured.startup_s < took_s


class SlowClock:
    """The clock of the process, which can be put forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._plain, self.ahead_s = time.monotonic, 0.0
        monkeypatch.setattr(time, "monotonic", lambda: self._plain() + self.ahead_s)


def test_starting_is_neither_measuring_nor_an_attempt_that_broke(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SlowClock(monkeypatch)
    plain = TinyNet.forward
    has_broken: list[bool] = []

    def measure(*_: Any) -> ArithmeticChoice:
        clock.ahead_s += 1000.0
        return ArithmeticChoice(chosen=make_arithmetic(batch_size=4, micro_batch_size=4), source="probe", probe_s=1000)

    def forward(self: TinyNet, images: Tensor) -> Any:
        if not has_broken:
            has_broken.append(True)
            clock.ahead_s += 1000.0
            raise MemoryError
        return plain(self, images)

    monkeypatch.setattr(start, "choose_arithmetic", measure)
    monkeypatch.setattr(TinyNet, "forward", forward)
    payload = workplace.payload()
    measured = run_fake(workplace.context("run", payload), payload)["measurement"]
    assert has_broken
    assert measured["choice"]["probe_s"] == 1000.0
    assert 0.0 <= measured["startup_s"] < 500.0

    clock.ahead_s = 0.0
    measured = run_fake(workplace.context("unbroken", payload), payload)["measurement"]
    assert 0.0 < measured["startup_s"] < 500.0


def test_starting_is_not_computing_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SlowClock(monkeypatch)
    plain = VectorModel.extract_features

    def extract(self: VectorModel, images: Tensor) -> Tensor:
        clock.ahead_s += 1000.0
        return plain(self, images)

    monkeypatch.setattr(VectorModel, "extract_features", extract)
    measured = run(open_context(tmp_path))["measurement"]
    assert measured["feature_images_per_s"] == pytest.approx(14 / 2000.0, rel=0.1)
    assert 0.0 < measured["startup_s"] < 500.0


def test_starting_is_not_validating_an_epoch_that_a_pause_left_open(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = workplace.payload({"max_epochs": 2})
    paused = workplace.context("run", payload)
    paused.decide = command_after(6 + 1, "pause")
    run_fake(paused, payload)
    clock = SlowClock(monkeypatch)

    def dawdle(*args: Any) -> Any:
        clock.ahead_s += 1000.0
        return validate(*args)

    monkeypatch.setattr("app.training.callbacks.epoch_end.validate", dawdle)
    resumed = workplace.payload({"max_epochs": 2}, resume_from=str(paused.output_dir / "checkpoints/last.ckpt"))
    measured = run_fake(workplace.context("run", resumed), resumed)["measurement"]
    assert clock.ahead_s == 2000.0
    assert 0.0 < measured["startup_s"] < 500.0


def test_a_run_that_fills_a_memory_measures_nothing(workplace: Workplace) -> None:
    payload = workplace.payload(model={"backbone": "means"})
    assert run_fake(workplace.context("run", payload), payload)["measurement"] is None
