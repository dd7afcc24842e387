"""The batches of a run: which images, read by which threads, with their targets; for training and for validation.

Augmentation happens where the model computes, not here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Protocol

import numpy as np
from lightning.pytorch import LightningDataModule

from app.datasets.batch_reader import BatchReader, ReadStatistics
from app.datasets.cache_files import KeptTarget
from app.datasets.pacing import Pace, PaceTuner, propose_paces
from app.datasets.preprocessing import Preprocessing, scale_preprocessing
from app.datasets.sample_cache import CacheRefusal, SampleCache, open_sample_cache
from app.datasets.sampling import EpochBatchSampler, Order
from app.datasets.table import ImageRecord, class_name_of
from app.schemas.arithmetic import MeasuredPace, ReadingChoice, ReadingPace
from app.schemas.events import SkippedSample
from app.training.batch import Batch
from app.training.inputs import TrainingInputs
from app.training.subset_batches import SubsetBatches
from app.training.targets import TargetEncoder, describe_kept


@dataclass(frozen=True)
class Share:
    """Which part of the work this process does."""

    rank: int = 0
    world_size: int = 1


@dataclass(frozen=True)
class Reading:
    """How images are read. `requested_threads` -1: as many as measuring says, which begins with the `known` pace."""

    requested_threads: int
    is_on_gpu: bool
    source_scale: float = 1.0
    known: Pace | None = None


class BatchSource(Protocol):
    """Batches that can be counted and iterated again and again."""

    def __len__(self) -> int:
        """Return the batches of a whole pass."""
        ...

    def __iter__(self) -> Iterator[Batch]: ...


class RunData(Protocol):
    """What the engine asks of its batches, wherever they come from."""

    sampler: EpochBatchSampler
    world_size: int
    notes: list[str]

    @property
    def batches_per_epoch(self) -> int:
        """Training batches of a whole epoch in each process."""
        ...

    @property
    def validation_loader(self) -> BatchSource | None:
        """This process's share of the validation images, None when there are none."""
        ...

    @property
    def validation_batches_everywhere(self) -> int:
        """Validation batches that every process has; the first ones can have one more."""
        ...

    @property
    def statistics(self) -> ReadStatistics:
        """What reading has cost so far."""
        ...

    def train_dataloader(self) -> BatchSource:
        """Return the training batches; where they begin is the sampler's position."""
        ...

    def take_skipped(self) -> list[SkippedSample]:
        """Return the images found unreadable since the last call."""
        ...

    def take_notes(self) -> list[str]:
        """Return why images are no longer kept, where that happened since the last call."""
        ...

    def count_cached(self) -> tuple[int, int]:
        """Return how many training images need no decoding any more, and how many there are."""
        ...

    def tune_pace(self, num_images: int, reading: ReadStatistics, step_s: float) -> None:
        """Learn from one training batch at which pace to read; `step_s` is what came after the images were there."""
        ...

    def settle_pace(self) -> None:
        """Stay with the pace that was fastest so far."""
        ...

    @property
    def best_pace(self) -> Pace | None:
        """The fastest pace that this run or an earlier one has tried, None when none was."""
        ...

    @property
    def is_pace_settled(self) -> bool:
        """Whether no other pace will be tried any more."""
        ...

    def describe_pace(self) -> ReadingChoice:
        """Return at which pace images are read, where it comes from and what was measured."""
        ...

    def describe_reading(self) -> dict[str, Any]:
        """Return the pace, and what reading cost, as plain data."""
        ...

    def close(self) -> None:
        """End the threads that read and close files."""
        ...


class TrainingData(LightningDataModule):
    """The images of one process among `share.world_size`."""

    def __init__(self, inputs: TrainingInputs, batch_size: int, reading: Reading, share: Share) -> None:
        super().__init__()
        self._inputs = inputs
        self._reading = reading
        self.world_size = share.world_size
        self.notes: list[str] = []
        self._caches: list[SampleCache] = []
        self._told: set[str] = set()
        self.sampler = build_sampler(inputs, batch_size, share)
        rows = inputs.subsets["train"]
        shown = inputs.subsets["val"][share.rank :: share.world_size]
        plan = scale_preprocessing(inputs.preprocessing, reading.source_scale)
        train_cache, eval_cache = self._open_caches(plan)
        self._train_cache = train_cache
        self._train_rows = np.zeros(0, bool) if train_cache is None else train_cache.find_rows(rows)
        # Beside a GPU what is cached counts as well, and without a cache every epoch decodes everything.
        has_one_pass = train_cache is not None and not reading.is_on_gpu
        num_images = len(rows) - self.count_cached()[0] if has_one_pass else len(rows) * inputs.max_epochs
        num_batches = num_images // (batch_size * share.world_size)
        self._tuner = PaceTuner(plan_paces(reading), num_batches=num_batches, counts_cached=reading.is_on_gpu)
        self._pace = self._tuner.pace
        self._readers = [
            self._build_reader(rows, plan, train_cache),
            self._build_reader(shown, inputs.preprocessing, eval_cache),
        ]
        encoders, collate = self._build_encoders(plan), inputs.parts.data.collate_targets
        self._train = SubsetBatches(rows, self._readers[0], self.sampler, encoders[0], collate)
        self._validation: SubsetBatches | None = None
        if shown:
            self._validation = SubsetBatches(shown, self._readers[1], batch_size, encoders[1], collate)
        self._subsets = [self._train] if self._validation is None else [self._train, self._validation]

    @property
    def batches_per_epoch(self) -> int:
        """Training batches of a whole epoch in each process."""
        return len(self.sampler)

    @property
    def validation_loader(self) -> BatchSource | None:
        """This process's share of the validation images, None when there are none."""
        return self._validation

    @property
    def validation_batches_everywhere(self) -> int:
        """Validation batches that every process has; the first ones can have one more."""
        rows = len(self._inputs.subsets["val"]) // self.world_size
        return -(-rows // self.sampler.batch_size)

    def train_dataloader(self) -> BatchSource:
        """Return the training batches; where they begin is the sampler's position."""
        return self._train

    @property
    def readers(self) -> Mapping[str, SubsetBatches]:
        """The images of each subset, to be read in any order."""
        named = {"train": self._train, "val": self._validation}
        return {name: each for name, each in named.items() if each is not None}

    def close(self) -> None:
        """End the threads that read and close the cache."""
        for reader in self._readers:
            reader.close()
        for cache in self._caches:
            cache.close()

    @property
    def statistics(self) -> ReadStatistics:
        """What reading has cost so far."""
        return add_statistics([reader.statistics for reader in self._readers])

    def take_skipped(self) -> list[SkippedSample]:
        """Return the images found unreadable since the last call."""
        return [sample for each in self._subsets for sample in each.take_skipped()]

    def take_notes(self) -> list[str]:
        """Return why images are no longer kept, where that happened since the last call."""
        found = {cache.note for cache in self._caches if cache.note} - self._told
        self._told |= found
        return sorted(found)

    def count_cached(self) -> tuple[int, int]:
        """Return how many training images need no decoding any more, and how many there are."""
        cache, total = self._train_cache, len(self._inputs.subsets["train"])
        return (0 if cache is None else cache.count_present(self._train_rows)), total

    def tune_pace(self, num_images: int, reading: ReadStatistics, step_s: float) -> None:
        """Learn from one training batch at which pace to read; `step_s` is what came after the images were there."""
        self._set_pace(self._tuner.record(num_images, reading.num_decoded, reading.waited_s, step_s))

    def settle_pace(self) -> None:
        """Stay with the pace that was fastest so far."""
        self._set_pace(self._tuner.settle())

    def _set_pace(self, pace: Pace) -> None:
        if pace != self._pace:
            self._pace = pace
            for reader in self._readers:
                reader.set_pace(*pace)

    @property
    def best_pace(self) -> Pace | None:
        """The fastest pace that this run or an earlier one has tried, None when none was."""
        if self._tuner.measurements:
            return min(self._tuner.measurements, key=lambda each: each.seconds_per_image).pace
        return self._known_pace

    @property
    def is_pace_settled(self) -> bool:
        """Whether no other pace will be tried any more."""
        return self._tuner.is_settled

    def describe_pace(self) -> ReadingChoice:
        """Return at which pace images are read, where it comes from and what was measured."""
        source: Literal["settings", "measured", "earlier_run", "default"]
        source = "default" if self._known_pace is None else "earlier_run"
        if len(plan_paces(self._reading)) == 1:
            source = "settings"
        elif self._tuner.measurements:
            source = "measured"
        measured = tuple(
            MeasuredPace(**each.pace._asdict(), ms_per_image=round(1000 * each.seconds_per_image, 3))
            for each in self._tuner.measurements
        )
        return ReadingChoice(pace=ReadingPace(**self._tuner.pace._asdict()), source=source, measured=measured)

    def describe_reading(self) -> dict[str, Any]:
        """Return the pace, and what reading cost, as plain data."""
        figures = {name: round(value, 3) for name, value in asdict(self.statistics).items()}
        return self.describe_pace().model_dump(mode="json") | figures

    @property
    def _known_pace(self) -> Pace | None:
        return self._reading.known if self._reading.known in plan_paces(self._reading) else None

    def _build_reader(self, rows: Sequence[ImageRecord], plan: Preprocessing, cache: SampleCache | None) -> BatchReader:
        threads, lookahead, is_pinned = self._tuner.pace
        images_dir = self._inputs.images_dir
        return BatchReader(
            rows, images_dir, plan, cache, num_threads=threads, lookahead=lookahead, pin_memory=is_pinned
        )

    def _build_encoders(self, plan: Preprocessing) -> list[TargetEncoder]:
        """Return those of training and of validation images."""
        kept = describe_kept(self._inputs)
        caches = (None, None) if kept is None else self._open_caches(plan, kept)
        plans = (plan, self._inputs.preprocessing)
        return [TargetEncoder(self._inputs, each, cache) for each, cache in zip(plans, caches, strict=True)]

    def _open_caches(
        self, plan: Preprocessing, kept: KeptTarget | None = None
    ) -> tuple[SampleCache | None, SampleCache | None]:
        """Return those of training images, read by `plan`, and of validation images; one where both are read alike."""
        train, val = self._inputs.subsets["train"], self._inputs.subsets["val"]
        if plan == self._inputs.preprocessing:
            cache = self._open_cache(plan, [*train, *val], kept)
            return cache, cache
        return self._open_cache(plan, train, kept), self._open_cache(self._inputs.preprocessing, val, kept)

    def _open_cache(
        self, plan: Preprocessing, rows: Sequence[ImageRecord], kept: KeptTarget | None
    ) -> SampleCache | None:
        dataset, table = self._inputs.payload.dataset, self._inputs.table
        opened = open_sample_cache(dataset, table, plan, rows, self._caches, kept)
        if isinstance(opened, CacheRefusal):
            if opened.reason not in self.notes:
                self.notes.append(opened.reason)
            return None
        self._caches.append(opened)
        return opened


def build_sampler(inputs: TrainingInputs, batch_size: int, share: Share) -> EpochBatchSampler:
    """Return the order of the training images: a function of seed and epoch."""
    order: Order = "sequential" if inputs.learns_by == "fill" else inputs.hyperparameters.get("sampler", "shuffle")
    groups = [class_name_of(row) or "" for row in inputs.subsets["train"]]
    return EpochBatchSampler(
        groups, batch_size, int(inputs.hyperparameters["seed"]), order, share.rank, share.world_size
    )


def plan_paces(reading: Reading, num_cores: int | None = None) -> list[Pace]:
    """Return the paces to try, the known one first, if it is one of them.

    With a number of threads that was asked for only how far to read ahead is open.
    """
    cores = num_cores or os.cpu_count() or 1
    paces = propose_paces(cores, reading.is_on_gpu)
    if reading.requested_threads >= 0:
        threads = reading.requested_threads
        paces = list(dict.fromkeys(pace._replace(num_threads=threads) for pace in paces)) if threads else [Pace(0, 0)]
    return sorted(paces, key=lambda pace: pace != reading.known)


def add_statistics(parts: Sequence[ReadStatistics]) -> ReadStatistics:
    """Return the sums of several readers."""
    names = [item.name for item in fields(ReadStatistics)]
    return ReadStatistics(**{name: sum(getattr(part, name) for part in parts) for name in names})
