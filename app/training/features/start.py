"""Turns a run on images into one on features: computes what is not on the disk yet, and swaps the batches."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from app.schemas.arithmetic import Arithmetic
from app.schemas.job_context import JobCancelled
from app.throttle import Throttle
from app.training.data_module import TrainingData
from app.training.features.data import FeatureData
from app.training.features.extraction import FeatureExtractor, compute_features
from app.training.live_run import LiveRun, TrainingInterrupted
from app.training.measurement import subtract
from app.training.start import RunStart

REPORT_S = 0.5


def switch_to_features(start: RunStart, live: LiveRun) -> None:
    """Give a run that has a frozen backbone its features for batches; what was computed is kept whatever happens.

    Raises TrainingInterrupted for a pause, JobCancelled, and JobFailure for what was foreseen.
    """
    images = live.data
    if not isinstance(images, TrainingData):
        return
    arithmetic = live.module.arithmetic
    device = start.hardware.first_device
    live.module.model.to(device)
    extractor = FeatureExtractor(
        live.module.model, device, arithmetic.precision, arithmetic.memory_format, _limit_images(arithmetic)
    )
    readers = images.readers
    started_s, before = time.monotonic(), images.statistics
    follow = _Follower(live, images)
    tables = compute_features(
        live.inputs,
        extractor,
        lambda key: readers[key.subset].read,
        live.context.output_dir,
        follow,
        live.module.augment or _leave_unchanged,
    )
    images.settle_pace()
    live.report_pace()
    elapsed_s = time.monotonic() - started_s
    live.speed.features.add(follow.computed, elapsed_s, subtract(images.statistics, before))
    if follow.computed:
        live.started_s += elapsed_s
    live.data = FeatureData(live.inputs, tables, images)
    live.report_skipped()


def _limit_images(arithmetic: Arithmetic) -> int | None:
    """Return how many images a forward pass may take: the parts of a batch that memory has divided."""
    is_divided = arithmetic.micro_batch_size < arithmetic.batch_size
    # A batch of one cannot be divided any further, so nothing could make smaller blocks of it.
    return arithmetic.micro_batch_size if is_divided or arithmetic.batch_size == 1 else None


class _Follower:
    """Shows how many features there are, learns how to read images, and obeys commands between two batches."""

    def __init__(self, live: LiveRun, images: TrainingData) -> None:
        self._live, self._images = live, images
        self._since_s, self._reading = time.perf_counter(), images.statistics
        self._throttle = Throttle(REPORT_S)
        self._first: int | None = None
        self.computed = 0

    def __call__(self, done: int, total: int) -> None:
        self._first = done if self._first is None else self._first
        self._tune(done - self._first - self.computed)
        self.computed = done - self._first
        command = self._live.read_command()
        if command == "cancel":
            raise JobCancelled
        if command == "pause":
            raise TrainingInterrupted(command)
        if self._throttle.is_due() or done == total:
            self._live.report_job_progress(done, total, f"Computing features, {done:,} of {total:,}")

    def _tune(self, num_images: int) -> None:
        now, now_s = self._images.statistics, time.perf_counter()
        reading, elapsed_s = subtract(now, self._reading), now_s - self._since_s
        self._reading, self._since_s = now, now_s
        self._images.tune_pace(num_images, reading, elapsed_s - reading.waited_s)


def _leave_unchanged(images: Tensor, targets: Any, _view: int, _positions: Sequence[int]) -> tuple[Tensor, Any]:
    """Without any random transform every view is the same."""
    return images, targets
