"""The arithmetic of a forecast, with numbers that can be checked by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest

from app.core.forecast.formula import (
    Basis,
    Workload,
    borrow_overheads,
    choose_basis,
    estimate_checkpoint_mb,
    find_assumptions,
    find_decode_rate,
    split_time,
)
from app.schemas.arithmetic import Arithmetic, ArithmeticChoice, Candidate, MeasurementKey, RunMeasurement
from app.schemas.hyperparameters import Hyperparameters

SLOW = Arithmetic(precision="32-true", batch_size=32, micro_batch_size=32)
FAST = Arithmetic(precision="bf16-mixed", memory_format="channels_last", batch_size=32, micro_batch_size=32)


def make_key(**changes: Any) -> MeasurementKey:
    key = MeasurementKey(
        device_name="A processor",
        num_devices=1,
        task="any",
        backbone="resnet18",
        freeze_backbone=False,
        image_size=(200, 200),
        batch_size=32,
        optimizer="adam",
        ema=False,
        precision="auto",
        memory_format="auto",
        compile="auto",
        augmentations="",
        torch="2.6",
    )
    return key.model_copy(update=changes)


def make_measurement(
    key: MeasurementKey | None = None, source: Literal["run", "probe"] = "run", **changes: Any
) -> RunMeasurement:
    candidates = tuple(
        Candidate(arithmetic=arithmetic, images_per_s=rate) for arithmetic, rate in ((SLOW, 10.0), (FAST, 20.0))
    )
    measurement = RunMeasurement(
        key=key or make_key(),
        choice=ArithmeticChoice(chosen=FAST, source="probe", candidates=candidates, probe_s=6.0),
        source=source,
        measured_at="2026-01-02T03:04:05.000000Z",
        train_images_per_s=20.0,
        eval_images_per_s=50.0,
        decode_megapixels_per_s=10.0,
        startup_s=4.0,
        epoch_overhead_s=0.5,
        peak_ram_mb=1700.0,
    )
    return measurement.model_copy(update=changes)


def choose(key: MeasurementKey, *measurements: RunMeasurement) -> Basis:
    basis = choose_basis(key, measurements)
    assert basis is not None
    return basis


def test_the_time_of_a_run_is_the_sum_of_its_parts() -> None:
    work = Workload(num_train=200, num_val=100, epochs=3, num_uncached=300, uncached_megapixels=30.0)
    parts = split_time(work, choose(make_key(), make_measurement()), 10.0)
    expected = {"startup_s": 4.0, "probe_s": 0.0, "caching_s": 3.0, "features_s": 0.0}
    assert parts.model_dump() == expected | {"training_s": 30.0, "validation_s": 6.0, "overhead_s": 1.5}


def test_a_frozen_backbone_computes_features_once_per_view_and_epochs_train_the_head() -> None:
    known = make_measurement(feature_images_per_s=25.0, train_images_per_s=1000.0, eval_images_per_s=2000.0)
    work = Workload(num_train=100, num_val=50, epochs=20, feature_views=4, uncached_megapixels=15.0, has_cache=False)
    parts = split_time(work, choose(make_key(), known), 10.0)
    assert (parts.features_s, parts.training_s, parts.validation_s) == (18.0, 2.0, 0.5)
    assert parts.caching_s == 1.5  # each image is read once, cache or not


def test_without_a_cache_images_are_read_in_every_epoch() -> None:
    work = Workload(num_train=100, num_val=0, epochs=5, uncached_megapixels=10.0, has_cache=False)
    basis = choose(make_key(), make_measurement())
    assert split_time(work, basis, 10.0).caching_s == 5.0
    assert any("in every epoch" in note for note in find_assumptions(work, basis, 10.0))
    partly = replace(work, kept_megapixels=8.0)
    assert split_time(partly, basis, 10.0).caching_s == 0.8 + 5 * 0.2


def test_another_image_size_scales_speed_by_pixels() -> None:
    basis = choose(make_key(image_size=(400, 400)), make_measurement())
    parts = split_time(Workload(num_train=200, num_val=100, epochs=1), basis, None)
    assert (parts.training_s, parts.validation_s) == (40.0, 8.0)
    assert parts.probe_s == 6.0  # other settings are tried anew
    assert basis.differences == ("Image size: 400 × 400 px in this run, 200 × 200 px in the measured run.",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"augmentations": "RandomAffine,ColorJitter"},
            "Augmentations: Shift, rotate, scale and shear + Colour jitter in this run, none in the measured run.",
        ),
        ({"ema": True}, "EMA: on in this run, off in the measured run."),
        ({"torch": "9.9.9"}, "PyTorch: 9.9.9 in this run, "),
        ({"fused_optimizer": "off"}, "Fused optimizer: off in this run, auto in the measured run."),
    ],
)
def test_differences_are_said_in_words_of_the_page(changes: dict[str, Any], said: str) -> None:
    [line] = choose(make_key(**changes), make_measurement()).differences
    assert line.startswith(said)


def test_features_scale_with_pixels_and_the_head_does_not() -> None:
    known = make_measurement(feature_images_per_s=40.0, train_images_per_s=100.0)
    basis = choose(make_key(image_size=(400, 400)), known)
    parts = split_time(Workload(num_train=100, num_val=0, epochs=1), basis, None)
    assert (parts.features_s, parts.training_s) == (10.0, 1.0)


def test_another_batch_size_takes_the_same_time_for_an_image() -> None:
    larger, smaller = (choose(make_key(batch_size=size), make_measurement()) for size in (64, 8))
    work = Workload(num_train=200, num_val=0, epochs=1)
    assert split_time(work, larger, None).training_s == split_time(work, smaller, None).training_s == 10.0


def test_another_precision_is_scaled_by_what_the_probe_tried() -> None:
    basis = choose(make_key(precision="32"), make_measurement())
    assert basis.speed_factor == 0.5
    assert split_time(Workload(num_train=200, num_val=0, epochs=1), basis, None).training_s == 20.0
    assert choose(make_key(precision="bf16-mixed"), make_measurement()).speed_factor == 1.0


@pytest.mark.parametrize(
    "changes", [{"device_name": "B"}, {"backbone": "other"}, {"freeze_backbone": True}, {"num_devices": 2}]
)
def test_another_model_or_device_tells_nothing(changes: dict[str, Any]) -> None:
    assert choose_basis(make_key(**changes), [make_measurement()]) is None


def test_the_most_similar_settings_are_chosen_then_runs_then_the_latest() -> None:
    far, near = make_measurement(make_key(image_size=(100, 100))), make_measurement(make_key(batch_size=8))
    assert choose(make_key(), far, near).measurement is near
    assert choose(make_key(), far, near, exact := make_measurement()).measurement is exact
    run, probe = (make_measurement(make_key(ema=True), source) for source in ("run", "probe"))
    assert choose(make_key(), probe, run).measurement.source == "run"
    later = make_measurement(make_key(ema=True, batch_size=32), measured_at="2026-02-02T00:00:00.000000Z")
    assert choose(make_key(), later, run).measurement is later


def test_the_rate_of_reading_is_the_latest_of_the_device_or_of_any() -> None:
    other = make_measurement(make_key(device_name="B"), decode_megapixels_per_s=7.0, measured_at="2027")
    assert find_decode_rate("A processor", [make_measurement(), other]) == 10.0
    assert find_decode_rate("C", [make_measurement(), other]) == 7.0
    assert find_decode_rate("C", [make_measurement(decode_megapixels_per_s=None)]) is None


def test_what_was_never_measured_is_said() -> None:
    basis = choose(make_key(), make_measurement(eval_images_per_s=None))
    work = Workload(num_train=60, num_val=60, epochs=1, uncached_megapixels=5.0)
    assert split_time(work, basis, None).validation_s == 1.0  # three times as fast as training
    notes = find_assumptions(work, basis, None)
    assert len(notes) == 2
    assert "is unknown and not included" in notes[0]
    assert "3 times the training speed" in notes[1]
    assert find_assumptions(work, choose(make_key(), make_measurement()), 10.0) == []


def test_a_probe_takes_what_only_runs_measure_from_the_latest_run_on_the_device() -> None:
    probe = make_measurement(source="probe", startup_s=0.5, epoch_overhead_s=0.0)
    run = make_measurement(make_key(backbone="other"), startup_s=7.0, epoch_overhead_s=0.25)
    elsewhere = make_measurement(make_key(device_name="B"), startup_s=99.0, measured_at="2027")
    basis = borrow_overheads(choose(make_key(), probe), [probe, run, elsewhere])
    assert (basis.measurement.startup_s, basis.measurement.epoch_overhead_s) == (7.0, 0.25)
    alone = choose(make_key(), probe)
    assert borrow_overheads(alone, [probe, elsewhere]) == alone
    assert any("until a run has finished here" in note for note in find_assumptions(Workload(1, 1, 1), alone, None))
    own = choose(make_key(), make_measurement())
    assert borrow_overheads(own, [run]) == own


def test_the_start_and_end_of_a_process_are_the_median_of_the_latest_runs() -> None:
    runs = [
        make_measurement(make_key(batch_size=number), outside_s=float(number), measured_at=f"2026-01-0{number}")
        for number in (1, 2, 3, 4, 5, 9)
    ]
    basis = borrow_overheads(choose(make_key(), make_measurement(), *runs), [make_measurement(), *runs])
    assert basis.measurement.outside_s == 4.0  # of 2, 3, 4, 5, 9
    assert split_time(Workload(0, 0, 0), basis, None).startup_s == 8.0


@pytest.mark.parametrize(
    ("settings", "is_frozen", "copies"),
    [
        ({}, False, 3),
        ({"ema": True}, False, 4),
        ({"optimizer": "sgd"}, False, 2),
        ({"optimizer": "sgd", "momentum": 0.0}, False, 1),
        ({"batch_multiplier": 2}, False, 4),
        ({"batch_multiplier": 2}, True, 1),
    ],
)
def test_a_checkpoint_holds_weights_and_what_the_optimizer_keeps(
    settings: dict[str, Any], is_frozen: bool, copies: int
) -> None:
    assert estimate_checkpoint_mb(2**20 / 1e6, Hyperparameters(**settings), is_frozen) == pytest.approx(4.0 * copies)
