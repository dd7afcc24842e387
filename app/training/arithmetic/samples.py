"""One batch of training images to measure with, spread over all of them, and what reading it took."""

from __future__ import annotations

import os
import time
from typing import Any, NamedTuple

from torch import Tensor

from app.datasets.batch_reader import BatchReader
from app.schemas.job_context import JobFailure
from app.training.inputs import TrainingInputs
from app.training.targets import TargetEncoder

MAX_READERS = 8


class TimedBatch(NamedTuple):
    """A batch of training images, uint8 (n, 3, height, width), and what reading them took."""

    images: Tensor
    targets: Any
    positions: list[int]
    megapixels_per_s: float
    seconds: float


def read_samples(inputs: TrainingInputs, wanted: int) -> TimedBatch:
    """Read so many training images from their files; raises JobFailure when none of them can be read."""
    rows = inputs.subsets["train"]
    count = min(len(rows), wanted)
    places = [number * len(rows) // count for number in range(count)]
    num_threads = max(1, min(MAX_READERS, os.cpu_count() or 1))
    with BatchReader(rows, inputs.images_dir, inputs.preprocessing, num_threads=num_threads) as reader:
        next(iter(reader.read([places[:1]])))  # the first image loads the decoder as well
        started_s = time.perf_counter()
        batch = next(iter(reader.read([places])))
        seconds = max(time.perf_counter() - started_s, 1e-9)
    if not batch.positions:
        msg = f"None of {count} training images can be read. {batch.skipped[0].message}"
        raise JobFailure(msg, "ImageReadError")
    read = [rows[position] for position in batch.positions]
    encoded = TargetEncoder(inputs, inputs.preprocessing).encode(read)
    megapixels = sum(row.width * row.height for row in read) / 1e6
    targets = inputs.parts.data.collate_targets(encoded)
    return TimedBatch(batch.images, targets, batch.positions, megapixels / seconds, seconds)
