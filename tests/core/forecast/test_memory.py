"""How memory is scaled from one run to another, checked against peaks that were measured and by hand."""

from __future__ import annotations

from itertools import permutations
from typing import Literal, NamedTuple

import pytest

from app.core.forecast.memory import MIN_HALF_PIXELS, scale_memory
from app.models.architectures import ACTIVATION_BYTES_PER_PIXEL
from app.schemas.arithmetic import MeasurementKey, RunMeasurement
from app.training.arithmetic.rules import MIN_BF16_PIXELS
from tests.core.forecast.test_formula import choose, make_key, make_measurement

Used = Literal["32-true", "bf16-mixed"]


class Peak(NamedTuple):
    """What a run took: side in pixels, images in a batch, precision as asked for and as used, MiB."""

    side: int
    batch_size: int
    asked: str
    used: Used
    peak_mb: float


# Measured with psutil every 30 ms, once each, over whole training jobs of the server: one epoch of 32 to 128 JPEG
# images of 300 x 300 pixels, two classes, default settings but
# pretrained=false, on two busy cores of a processor that computes in bf16.
PEAKS = {
    "resnet18": (
        Peak(96, 8, "auto", "32-true", 1071.0),
        Peak(96, 32, "auto", "32-true", 1221.0),
        Peak(96, 64, "auto", "32-true", 1399.0),
        Peak(224, 8, "auto", "bf16-mixed", 1132.0),
        Peak(224, 32, "auto", "bf16-mixed", 1629.0),
        Peak(224, 64, "auto", "bf16-mixed", 2077.0),
        Peak(224, 32, "32", "32-true", 2176.0),
    ),
    "mobilenet_v3_small": (
        Peak(96, 8, "auto", "32-true", 889.0),
        Peak(96, 32, "auto", "32-true", 970.0),
        Peak(96, 64, "auto", "32-true", 1081.0),
        Peak(224, 8, "auto", "32-true", 1014.0),
        Peak(224, 32, "auto", "32-true", 1541.0),
        Peak(224, 64, "auto", "32-true", 2094.0),
    ),
}
FROZEN_PEAKS = (Peak(96, 8, "auto", "32-true", 838.0), Peak(224, 64, "auto", "32-true", 962.0))
"""Of mobilenet_v3_small with a frozen backbone, measured in the same way."""


def make_peak_key(backbone: str, peak: Peak, *, is_frozen: bool = False) -> MeasurementKey:
    return make_key(
        backbone=backbone,
        image_size=(peak.side, peak.side),
        batch_size=peak.batch_size,
        precision=peak.asked,
        freeze_backbone=is_frozen,
    )


def measure_with(key: MeasurementKey, used: Used, batch_size: int, peak_mb: float) -> RunMeasurement:
    measurement = make_measurement(key, peak_ram_mb=peak_mb)
    changes = {"precision": used, "batch_size": batch_size, "micro_batch_size": batch_size}
    chosen = measurement.choice.chosen.model_copy(update=changes)
    return measurement.model_copy(update={"choice": measurement.choice.model_copy(update={"chosen": chosen})})


def scale_peak(backbone: str, known: Peak, wanted: Peak, *, is_frozen: bool = False) -> float:
    """Return what is forecast for the settings of one run from the peak of another, over what it really took."""
    known_key, key = (make_peak_key(backbone, peak, is_frozen=is_frozen) for peak in (known, wanted))
    measurement = measure_with(known_key, known.used, known.batch_size, known.peak_mb)
    memory_mb, vram_mb = scale_memory(key, choose(key, measurement), ACTIVATION_BYTES_PER_PIXEL[backbone])
    assert vram_mb is None
    return memory_mb / wanted.peak_mb


def test_a_forecast_is_at_least_the_measured_peak_and_at_most_half_above_it() -> None:
    """From 96 px nobody knows that larger images are computed in bf16, so there it may be somewhat more."""
    ratios = {
        (backbone, known[:3], wanted[:3]): (scale_peak(backbone, known, wanted), known.used == wanted.used)
        for backbone, peaks in PEAKS.items()
        for known, wanted in permutations(peaks, 2)
    }
    assert len(ratios) == 7 * 6 + 6 * 5
    limits = {True: 1.5, False: 1.7}
    assert {pair: ratio for pair, (ratio, same) in ratios.items() if not 1.0 <= ratio <= limits[same]} == {}


def test_a_forecast_for_a_frozen_backbone_is_near_the_measured_peak() -> None:
    ratios = [scale_peak("mobilenet_v3_small", *pair, is_frozen=True) for pair in permutations(FROZEN_PEAKS)]
    assert len(ratios) == 2
    assert all(1.0 <= ratio <= 1.5 for ratio in ratios)


@pytest.mark.parametrize("peak_mb", [900.0, 1050.0, 1100.0])
def test_a_small_run_does_not_make_the_default_size_look_like_many_gigabytes(peak_mb: float) -> None:
    """Before, all memory above the libraries was taken to grow with the batch, which gave up to 19 GiB here."""
    known = Peak(64, 8, "auto", "32-true", peak_mb)
    wanted = Peak(224, 32, "auto", "32-true", 1024.0)
    assert scale_peak("resnet18", known, wanted) < 2.5


def test_the_same_settings_take_what_they_took() -> None:
    known = make_measurement()
    assert scale_memory(make_key(), choose(make_key(), known), 442.0) == (1700.0, None)


def test_memory_grows_with_what_the_architecture_keeps_of_each_pixel() -> None:
    key, known = make_key(image_size=(400, 400)), measure_with(make_key(), "32-true", 32, 1700.0)
    memory_mb, _ = scale_memory(key, choose(key, known), 100.0)
    assert memory_mb == pytest.approx(1700.0 + 1.85 * 3 * 200 * 200 * 32 * 100 / 2**20)


def test_a_frozen_backbone_keeps_less() -> None:
    key, known_key = (make_key(image_size=(side, side), freeze_backbone=True) for side in (400, 200))
    memory_mb, _ = scale_memory(key, choose(key, measure_with(known_key, "32-true", 32, 1700.0)), 100.0)
    assert memory_mb == pytest.approx(1700.0 + 0.5 * 3 * 200 * 200 * 32 * 100 / 2**20)
    memory_mb, _ = scale_memory(known_key, choose(known_key, measure_with(key, "32-true", 32, 1700.0)), 100.0)
    assert memory_mb == 1700.0


def test_a_smaller_batch_takes_less_but_no_less_than_the_libraries() -> None:
    key, known = make_key(batch_size=8), measure_with(make_key(), "32-true", 32, 1700.0)
    memory_mb, _ = scale_memory(key, choose(key, known), 100.0)
    assert memory_mb == pytest.approx(1700.0 - 1.1 * 24 * 200 * 200 * 100 / 2**20)
    assert scale_memory(key, choose(key, known), 1e6) == (700.0, None)
    assert scale_memory(key, choose(key, known), None) == (1700.0, None)


def test_where_the_architecture_is_unknown_all_but_the_libraries_grows_with_the_batch() -> None:
    key = make_key(image_size=(400, 400))
    assert scale_memory(key, choose(key, make_measurement()), None) == (1700.0 + 3 * 1000.0, None)


def test_a_batch_that_was_raised_counts_as_large_as_it_was() -> None:
    key, known_key = (make_key(auto_batch_size=True, image_size=(side, side)) for side in (200, 100))
    known = measure_with(known_key, "32-true", 128, 1700.0)
    memory_mb, _ = scale_memory(key, choose(key, known), 100.0)
    assert memory_mb == pytest.approx(1700.0 + 1.85 * 3 * 100 * 100 * 128 * 100 / 2**20)


def test_a_gpu_grows_by_pixels_or_in_proportion_whatever_is_less_and_never_shrinks() -> None:
    known = make_measurement(peak_vram_mb=2000.0)
    larger, smaller = make_key(batch_size=64), make_key(batch_size=8)
    assert scale_memory(larger, choose(larger, known), None) == (1700.0, 4000.0)
    assert scale_memory(larger, choose(larger, known), 1e6) == (1700.0, 4000.0)
    _, vram_mb = scale_memory(larger, choose(larger, known), 100.0)
    assert vram_mb == pytest.approx(2000.0 + 1.1 * 32 * 200 * 200 * 100 / 2**20)
    assert scale_memory(smaller, choose(smaller, known), 100.0) == (1700.0, 2000.0)
    full = make_key(precision="32")
    assert scale_memory(full, choose(full, known), None) == (1700.0, 4000.0)


def test_images_are_large_enough_for_16_bit_where_the_training_says_so() -> None:
    assert MIN_HALF_PIXELS == MIN_BF16_PIXELS
