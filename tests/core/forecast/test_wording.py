"""Forecasts in words."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.forecast.free_space import FreeSpace
from app.core.forecast.wording import describe_forecast, find_warnings, format_duration, format_size
from app.schemas.forecasts import Forecast, ForecastBasis, ForecastParts

PLENTY = FreeSpace(ram_mb=1e6, disk_mb=1e6, vram_mb=1e6)


def make_forecast(**changes: Any) -> Forecast:
    parts = ForecastParts(startup_s=0, caching_s=0, features_s=0, training_s=720, validation_s=0, overhead_s=0)
    forecast = Forecast(
        duration_s=720.0,
        parts=parts,
        epochs=3,
        can_end_earlier=False,
        num_train=10,
        num_val=2,
        feature_views=0,
        num_uncached=12,
        uncached_megapixels=1.0,
        has_cache=True,
        memory_mb=9318.4,
        disk_cache_mb=100.0,
        basis=ForecastBasis(source="run", measured_at="2026-01-02T03:04:05.000000Z"),
    )
    return forecast.model_copy(update=changes)


def test_a_measured_forecast_is_a_sentence() -> None:
    text = describe_forecast(make_forecast())
    assert text == "About 12 min, based on a run of 2026-01-02 with settings that give the same speed."


def test_an_estimate_says_so_and_early_stopping_is_named() -> None:
    basis = ForecastBasis(source="probe", measured_at="2026-01-02", differences=["x"])
    text = describe_forecast(make_forecast(basis=basis, can_end_earlier=True))
    assert "estimated from a short measurement of 2026-01-02 with other settings" in text
    assert text.endswith("Early stopping may make it shorter.")


def test_nothing_is_said_where_everything_fits() -> None:
    assert find_warnings(make_forecast(vram_mb=100.0, disk_checkpoints_mb=50.0), PLENTY, 32) == []


def test_memory_that_is_not_free_is_named_with_what_to_change() -> None:
    warnings = find_warnings(make_forecast(), FreeSpace(ram_mb=6348.8, disk_mb=1e6), 32)
    assert warnings == [
        "The run needs about 9.1 GiB of memory, but only 6.2 GiB are free: choose a smaller batch size.",
    ]
    (alone,) = find_warnings(make_forecast(), FreeSpace(ram_mb=6348.8, disk_mb=1e6), 1)
    assert alone.endswith("choose a smaller image size.")


def test_memory_that_was_scaled_from_other_settings_is_an_upper_limit() -> None:
    basis = ForecastBasis(source="run", measured_at="2026-01-02", differences=["x"])
    warnings = find_warnings(make_forecast(basis=basis, vram_mb=600.0), FreeSpace(6348.8, 1e6, 500.0), 32)
    assert [warning.partition(", but")[0] for warning in warnings] == [
        "The run may need up to 9.1 GiB of memory",
        "The run may need up to 600 MiB of GPU memory",
    ]


def test_a_gpu_and_the_disk_are_looked_at_too() -> None:
    free = FreeSpace(ram_mb=1e6, disk_mb=120.0, vram_mb=500.0)
    warnings = find_warnings(make_forecast(vram_mb=600.0, disk_checkpoints_mb=50.0), free, 8)
    assert [warning.partition(" of ")[2].partition(",")[0] for warning in warnings] == ["GPU memory", "disk"]


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [(0.04, "0.0 s"), (9.84, "9.8 s"), (61, "61 s"), (720, "12 min"), (9000, "2 h 30 min"), (86_400, "24 h")],
)
def test_durations(duration_s: float, text: str) -> None:
    assert format_duration(duration_s) == text


def test_sizes() -> None:
    assert [format_size(size_mb) for size_mb in (0.2, 12.4, 102.4, 9318.4)] == [
        "less than 1 MiB",
        "12 MiB",
        "102 MiB",
        "9.1 GiB",
    ]
