"""Runs a model over images of a dataset: which images, on which device, and its outputs as numpy arrays.

Metrics, files and events do not belong here. Evaluation, prediction and export share this module.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import torch
from torch import Tensor, nn

from app.datasets.batch_reader import BatchReader
from app.datasets.pacing import PaceTuner, propose_paces
from app.datasets.reading import ResizePlan
from app.datasets.sample_cache import CacheRefusal, SampleCache, open_sample_cache
from app.datasets.table import DatasetTable, ImageRecord, decode_dataset, explain_unreadable, select_subset
from app.schemas.events import LogLine
from app.schemas.export import ResizeRecipe
from app.schemas.job_context import JobContext, JobFailure
from app.schemas.payloads import DatasetLocation
from app.schemas.pixels import CURRENT, PixelReading

if TYPE_CHECKING:
    from app.tasks.base import ArrayOutputs

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class InputPlan:
    """How an image becomes the model's input; `input_size` is (height, width) in pixels."""

    input_size: tuple[int, int]
    recipe: ResizeRecipe
    pixels: PixelReading = CURRENT


@dataclass(frozen=True)
class PooledImage:
    """An image and the subset that it comes from."""

    row: ImageRecord
    subset: str


@dataclass(frozen=True)
class SkippedImage:
    """An image that could not be read, and why."""

    filename: str
    message: str
    source_name: str = ""


@dataclass(frozen=True)
class ImageBatch:
    """Images that could be read, uint8 (batch, 3, height, width), and those that could not."""

    images: Tensor
    pooled: list[PooledImage]
    skipped: list[SkippedImage]


def load_dataset(location: DatasetLocation) -> DatasetTable:
    """Return dataset.json; raises JobFailure when it is missing or damaged."""
    try:
        return decode_dataset(Path(location.dataset_json).read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise JobFailure(explain_unreadable(error)) from error


def pool_subsets(table: DatasetTable, split_name: str, subsets: Sequence[str]) -> list[PooledImage]:
    """Return the images of the subsets by file name; raises JobFailure for an unknown split or an empty subset."""
    if split_name not in table.split_names:
        msg = f"The dataset has no split {split_name!r}. Its splits: {', '.join(table.split_names) or 'none'}."
        raise JobFailure(msg)
    pooled: list[PooledImage] = []
    for subset in dict.fromkeys(subsets):
        rows = select_subset(table, split_name, subset)
        if not rows:
            msg = f"The subset {subset!r} of the split {split_name!r} has no images."
            raise JobFailure(msg)
        pooled.extend(PooledImage(row, subset) for row in rows)
    return sorted(pooled, key=lambda image: image.row.filename)


def resolve_device(device: str) -> torch.device:
    """Return the device "cpu" or "gpu:N" stands for; raises JobFailure when this machine has no such GPU."""
    if device == "cpu":
        return torch.device("cpu")
    index = int(device.removeprefix("gpu:"))
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if index >= count:
        found = ", ".join(["cpu", *(f"gpu:{number}" for number in range(count))])
        msg = f"The device {device} is not available on this machine. Available: {found}."
        raise JobFailure(msg, kind="GpuNotAvailable")
    return torch.device("cuda", index)


@contextmanager
def open_cache(
    location: DatasetLocation,
    table: DatasetTable,
    plan: ResizePlan,
    pooled: Sequence[PooledImage],
    tell: Callable[[str], None] = _logger.info,
) -> Iterator[SampleCache | None]:
    """Open the cache of decoded images for the time of the block; None where there cannot be one.

    `tell` learns why, unless the cache was turned off, and why images were no longer kept if that happened.
    """
    cache = open_sample_cache(location, table, plan, [image.row for image in pooled])
    if isinstance(cache, CacheRefusal):
        (_logger.info if cache.is_turned_off else tell)(cache.reason)
        yield None
        return
    with cache:
        yield cache
    if cache.note:
        tell(cache.note)


def tell_in_log(context: JobContext, run_id: str) -> Callable[[str], None]:
    """Return what writes a warning into the log of the run that a job looks at."""
    return lambda text: context.report(LogLine(run_id=run_id, level="warning", text=text))


def iterate_images(
    pooled: Sequence[PooledImage],
    images_dir: Path,
    plan: ResizePlan,
    batch_size: int,
    cache: SampleCache | None = None,
    *,
    is_on_gpu: bool = False,
) -> Iterator[ImageBatch]:
    """Yield the images in order, up to `batch_size` at a time, at the pace that turns out to be the fastest."""
    rows = [image.row for image in pooled]
    num_read = len(rows) if is_on_gpu or cache is None else cache.count_missing(rows)
    paces = propose_paces(os.cpu_count() or 1, is_on_gpu)
    tuner = PaceTuner(paces, num_batches=num_read // batch_size, counts_cached=is_on_gpu)
    chunks = (range(start, min(start + batch_size, len(rows))) for start in range(0, len(rows), batch_size))
    threads, lookahead, is_pinned = tuner.pace
    with BatchReader(
        rows, images_dir, plan, cache, num_threads=threads, lookahead=lookahead, pin_memory=is_pinned
    ) as reader:
        before = reader.statistics
        for batch in reader.read(chunks):
            now, given_s = reader.statistics, time.perf_counter()
            yield ImageBatch(
                images=batch.images.contiguous(),
                pooled=[pooled[position] for position in batch.positions],
                skipped=[SkippedImage(sample.filename, sample.message, sample.source_name) for sample in batch.skipped],
            )
            num_decoded, waited_s = now.num_decoded - before.num_decoded, now.waited_s - before.waited_s
            before, worked_s = now, time.perf_counter() - given_s
            reader.set_pace(*tuner.record(len(batch.positions), num_decoded, waited_s, worked_s))


def run_model(model: nn.Module, images: Tensor, device: torch.device) -> ArrayOutputs:
    """Return the named outputs of one batch as arrays; the model is in evaluation mode and on the device."""
    if not len(images):
        return {}
    with torch.inference_mode():
        outputs = model(images.to(device, non_blocking=True))
    return {name: output.cpu().numpy() for name, output in outputs.items()}
