"""How much memory a run takes at most, scaled from what another run of the same model took. Pure; reads nothing.

Only what a training step keeps of a batch for the backward pass grows with the batch. How much that is for each pixel
is a property of the architecture. The peak of a run alone does not tell: most of it, above all with small images, is
libraries, weights, gradients and the optimizer, which are the same for every batch.
"""

from __future__ import annotations

from typing import NamedTuple

from app.core.forecast.formula import Basis, count_pixels
from app.schemas.arithmetic import MeasurementKey, RunMeasurement

FIXED_RAM_MB = 700.0
"""What a job process holds before its first image: the interpreter and the libraries."""

MIN_HALF_PIXELS = 128 * 128
"""Smaller images are computed in 32 bit on a CPU, unless the settings say otherwise; as `app/training` decides."""


class Growth(NamedTuple):
    """By how many times the bytes that are kept for the backward pass memory grows at least, and at most."""

    least: float
    most: float


FULL = Growth(1.1, 1.85)
"""In 32 bit: what was measured, with some margin. A step also holds gradients and buffers of convolutions."""
HALF = Growth(0.6, 1.1)
"""In 16 bit, where some of what is kept has half the size."""
FORWARD = Growth(0.0, 0.5)
"""Of a frozen backbone: without gradients a few layers are held at once and not all."""

MIB = 2**20


def scale_memory(key: MeasurementKey, basis: Basis, bytes_per_pixel: float | None) -> tuple[float, float | None]:
    """Return main memory and the memory of a GPU at most, in MiB.

    `bytes_per_pixel` are those that the architecture keeps for the backward pass in 32 bit. Where they are unknown,
    everything above the libraries is taken to grow with the batch, and for a smaller batch the peak stays as measured.
    """
    known = basis.measurement
    if not basis.differences:
        return known.peak_ram_mb, known.peak_vram_mb
    if known.peak_vram_mb is not None:
        return known.peak_ram_mb, _scale_vram(key, basis, known.peak_vram_mb, bytes_per_pixel)
    if bytes_per_pixel is None:
        growing_mb = max(0.0, known.peak_ram_mb - FIXED_RAM_MB)
        return known.peak_ram_mb + max(0.0, basis.memory_factor - 1.0) * growing_mb, None
    scaled_mb = known.peak_ram_mb + _count_added_bytes(key, known, bytes_per_pixel) / MIB
    return max(scaled_mb, min(known.peak_ram_mb, FIXED_RAM_MB)), None


def _scale_vram(key: MeasurementKey, basis: Basis, peak_mb: float, bytes_per_pixel: float | None) -> float:
    """Return a peak that never shrinks and grows at most in proportion to the bytes of a batch."""
    known = basis.measurement
    factor = max(1.0, basis.memory_factor) * (2.0 if _was_half(known) and not _expects_half(key, known) else 1.0)
    if bytes_per_pixel is None:
        return peak_mb * factor
    return min(peak_mb * factor, peak_mb + max(0.0, _count_added_bytes(key, known, bytes_per_pixel) / MIB))


def _count_added_bytes(key: MeasurementKey, known: RunMeasurement, bytes_per_pixel: float) -> float:
    """Return by how much memory grows at most from what was measured, or shrinks at least."""
    then = _find_growth(known.key, is_half=_was_half(known))
    now = _find_growth(key, is_half=_expects_half(key, known))
    chosen_size = known.choice.chosen.micro_batch_size  # auto_batch_size may have raised the batch
    raised = max(1.0, chosen_size / known.key.batch_size)
    kept_then = count_pixels(known.key) * known.key.batch_size * raised * bytes_per_pixel
    kept_now = count_pixels(key) * key.batch_size * raised * bytes_per_pixel
    if now != then:
        return now.most * kept_now - then.least * kept_then
    return (now.most if kept_now > kept_then else now.least) * (kept_now - kept_then)


def _find_growth(key: MeasurementKey, *, is_half: bool) -> Growth:
    if key.freeze_backbone:
        return FORWARD
    return HALF if is_half else FULL


def _was_half(known: RunMeasurement) -> bool:
    return known.choice.chosen.precision != "32-true"


def _expects_half(key: MeasurementKey, known: RunMeasurement) -> bool:
    """Return whether a run is sure to compute in 16 bit; where `auto` can mean either, 32 bit takes more memory."""
    if key.precision != "auto":
        return key.precision != "32"
    if known.key.precision != "auto" or not _was_half(known):
        return False
    is_on_gpu = known.peak_vram_mb is not None
    return is_on_gpu or (count_pixels(key) >= MIN_HALF_PIXELS and key.memory_format != "contiguous")
