"""How fast a run really was, for the forecast of the next one. Counts only; the clock is the caller's.

What is paid once (the first steps of a process, decoding of images) is kept apart from what every image costs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from app.datasets.batch_reader import ReadStatistics

WARMUP_STEPS = 2


@dataclass
class Rate:
    """Images and the seconds that they took."""

    images: int = 0
    seconds: float = 0.0

    def add(self, images: int, seconds: float) -> None:
        """Count some more."""
        self.images += images
        self.seconds += max(seconds, 0.0)

    @property
    def images_per_s(self) -> float | None:
        """Images a second, None when nothing was counted."""
        return self.images / self.seconds if self.images and self.seconds > 0.0 else None


@dataclass
class PassSpeed:
    """The speed of one kind of pass: over images that were in the cache, or else without what reading took.

    `shared_cores` are those that the pass computes on and images are read on; None when it computes on a GPU.
    """

    shared_cores: int | None = None
    cached: Rate = field(default_factory=Rate)
    read: Rate = field(default_factory=Rate)

    def add(self, images: int, seconds: float, reading: ReadStatistics) -> None:
        """Count some images; `reading` is what reading them took."""
        if reading.num_decoded:
            self.read.add(images, seconds - reading.added_s(self.shared_cores))
        else:
            self.cached.add(images, seconds)

    @property
    def images_per_s(self) -> float | None:
        """Images a second, None when nothing was counted."""
        return self.cached.images_per_s or self.read.images_per_s


class SpeedMeter:
    """What the steps and validations of one process took. Images are those of this process.

    `shared_cores` are those of the CPU that steps are computed on; None on a GPU.
    """

    def __init__(self, shared_cores: int | None = None) -> None:
        self.shared_cores = shared_cores
        self.steps = PassSpeed(shared_cores)
        self.evaluations = PassSpeed(shared_cores)
        self.features = PassSpeed(shared_cores)
        self.startup_s: float | None = None
        self.overheads_s: list[float] = []
        self._num_steps = 0

    def count_step(self, images: int, seconds: float, reading: ReadStatistics) -> None:
        """Count a training batch; the first ones of a process, which pay for what is set up once, are left out."""
        self._num_steps += 1
        if self._num_steps > WARMUP_STEPS:
            self.steps.add(images, seconds, reading)

    @property
    def epoch_overhead_s(self) -> float:
        """Mean seconds of an epoch beside steps and validation."""
        return sum(self.overheads_s) / len(self.overheads_s) if self.overheads_s else 0.0


def subtract(later: ReadStatistics, earlier: ReadStatistics) -> ReadStatistics:
    """Return what was read between two moments."""
    return ReadStatistics(
        num_decoded=later.num_decoded - earlier.num_decoded,
        decoded_megapixels=later.decoded_megapixels - earlier.decoded_megapixels,
        decode_cpu_s=later.decode_cpu_s - earlier.decode_cpu_s,
        num_cached=later.num_cached - earlier.num_cached,
        cached_cpu_s=later.cached_cpu_s - earlier.cached_cpu_s,
        waited_s=later.waited_s - earlier.waited_s,
    )
