"""What a run found out about the speed of this machine, in the form that the next forecast starts from."""

from __future__ import annotations

import torch

from app.datasets.batch_reader import ReadStatistics
from app.schemas.arithmetic import ReadingPace, RunMeasurement
from app.schemas.common import utc_now
from app.training.arithmetic.hardware import Hardware
from app.training.arithmetic.measuring import build_key
from app.training.callbacks.resources import read_peak_ram_mb
from app.training.live_run import LiveRun

MIB = 2**20


def measure_run(live: LiveRun, hardware: Hardware) -> RunMeasurement | None:
    """Return the speeds and the memory of a run, None when it was too short to say."""
    inputs, speed = live.inputs, live.speed
    train_images_per_s = speed.steps.images_per_s
    if train_images_per_s is None or inputs.learns_by == "fill":
        return None
    processes = live.data.world_size
    eval_images_per_s = speed.evaluations.images_per_s
    reading, pace = live.data.statistics, live.data.best_pace
    return RunMeasurement(
        key=build_key(inputs, hardware),
        # A batch that had to be divided once, when memory was short, is tried whole the next time.
        choice=live.settled,
        source="run",
        measured_at=utc_now(),
        train_images_per_s=train_images_per_s * processes,
        eval_images_per_s=None if eval_images_per_s is None else eval_images_per_s * processes,
        decode_megapixels_per_s=_measure_decoding(reading, speed.shared_cores),
        feature_images_per_s=speed.features.images_per_s,
        startup_s=speed.startup_s or 0.0,
        pace=None if pace is None else ReadingPace(**pace._asdict()),
        epoch_overhead_s=speed.epoch_overhead_s,
        peak_ram_mb=round(read_peak_ram_mb(), 1),
        peak_vram_mb=_read_peak_vram_mb(hardware),
    )


def _measure_decoding(reading: ReadStatistics, shared_cores: int | None) -> float | None:
    """Return megapixels over the time that decoding added to the run: what was read ahead cost nothing on a GPU."""
    if not reading.num_decoded:
        return None
    return reading.decoded_megapixels / max(reading.added_s(shared_cores), 1e-6)


def _read_peak_vram_mb(hardware: Hardware) -> float | None:
    if not isinstance(hardware.devices, tuple):
        return None
    return round(max(torch.cuda.max_memory_reserved(number) for number in hardware.devices) / MIB, 1)
