"""The batches of a run that learns from features: a sibling of `TrainingData` with the same surface.

A batch is the `Batch` of images with features in the place of the images. The order is that of `EpochBatchSampler`,
so a run continues in the middle of an epoch as one on images does. Nothing here computes a feature.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from app.datasets.batch_reader import ReadStatistics
from app.datasets.pacing import Pace
from app.datasets.sampling import EpochBatchSampler
from app.datasets.table import ImageRecord
from app.schemas.arithmetic import ReadingChoice
from app.schemas.events import SkippedSample
from app.training.batch import Batch
from app.training.data_module import TrainingData
from app.training.features.extraction import TRAIN, VALIDATION, TableKey
from app.training.features.files import FeatureEntry
from app.training.inputs import TrainingInputs
from app.training.targets import TargetEncoder


def choose_view(epoch: int, position: int, num_views: int) -> int:
    """Return in which view an image is seen in an epoch: each view as often as the others, all of them in an epoch."""
    return (epoch + position) % num_views


class FeatureTable:
    """Features of one subset in all of its views; rows are read when they are asked for."""

    def __init__(self, views: Sequence[FeatureEntry]) -> None:
        """Take complete entries; at least one image must be readable in each."""
        self._views = list(views)
        shape = self._views[0].shape
        if shape is None:
            msg = "There are no features of this subset."
            raise ValueError(msg)
        self._shape = shape
        self.unreadable: frozenset[int] = frozenset().union(*(view.unreadable for view in self._views))

    @property
    def num_views(self) -> int:
        """How many views there are."""
        return len(self._views)

    def read(self, views: Sequence[int], positions: Sequence[int]) -> Tensor:
        """Return the features (len(positions), ...), float32, of each position in its view."""
        found = torch.empty((len(positions), *self._shape), dtype=torch.float32)
        rows = found.numpy()
        for number, view in enumerate(self._views):
            places = [place for place, wanted in enumerate(views) if wanted == number]
            if len(places) == len(positions):
                view.read(positions, rows)
            elif places:
                part = rows[places]
                view.read([positions[place] for place in places], part)
                rows[places] = part
        return found

    def close(self) -> None:
        """Close the files."""
        for view in self._views:
            view.close()


class TargetTable:
    """The targets of a subset, encoded once."""

    def __init__(self, inputs: TrainingInputs, rows: Sequence[ImageRecord]) -> None:
        self._collate = inputs.parts.data.collate_targets
        encoded = TargetEncoder(inputs, inputs.preprocessing).encode(rows)
        # One tensor for all images takes little memory; where targets differ in size there is none.
        is_stackable = all(isinstance(target, Tensor) and target.shape == encoded[0].shape for target in encoded)
        stacked = self._collate(encoded) if is_stackable else None
        self._stacked = stacked if isinstance(stacked, Tensor) and len(stacked) == len(rows) else None
        self._encoded = encoded if self._stacked is None else []

    def read(self, positions: Sequence[int]) -> Any:
        """Return the collated targets of these positions."""
        if self._stacked is not None:
            return self._stacked[list(positions)]
        return self._collate([self._encoded[position] for position in positions])


class TrainingBatches:
    """The training batches in the order of a sampler, from its position on.

    Images that could not be read are left out; a batch of nothing else takes the next readable image instead, so that
    every epoch has the same number of batches.
    """

    def __init__(self, sampler: EpochBatchSampler, features: FeatureTable, targets: TargetTable, count: int) -> None:
        """`count` is the number of images, readable or not."""
        self._sampler, self._features, self._targets, self._count = sampler, features, targets, count

    def __len__(self) -> int:
        return len(self._sampler)

    def __iter__(self) -> Iterator[Batch]:
        num_views = self._features.num_views
        for keys in self._sampler:
            positions = self._keep_readable([key.position for key in keys])
            views = [choose_view(keys[0].epoch, position, num_views) for position in positions]
            features = self._features.read(views, positions)
            targets = self._targets.read(positions)
            yield Batch(features, targets, len(positions), tuple(positions), keys[0].epoch, is_features=True)

    def _keep_readable(self, positions: list[int]) -> list[int]:
        unreadable = self._features.unreadable
        if not unreadable:
            return positions
        following = ((positions[0] + step) % self._count for step in range(1, self._count))
        kept = [position for position in positions if position not in unreadable]
        return kept or [next(position for position in following if position not in unreadable)]


class ValidationBatches:
    """The readable validation images in order."""

    def __init__(self, features: FeatureTable, targets: TargetTable, count: int, batch_size: int) -> None:
        self._features, self._targets, self._batch_size = features, targets, batch_size
        self._positions = [position for position in range(count) if position not in features.unreadable]

    def __len__(self) -> int:
        return -(-len(self._positions) // self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self._positions), self._batch_size):
            positions = self._positions[start : start + self._batch_size]
            features = self._features.read([0] * len(positions), positions)
            yield Batch(features, self._targets.read(positions), len(positions), tuple(positions), is_features=True)


class FeatureData(LightningDataModule):
    """The loaders of a run on one device that learns from features.

    The number and the order of the batches are those of the images, whichever of them could be read.
    """

    world_size = 1

    def __init__(self, inputs: TrainingInputs, tables: Mapping[TableKey, FeatureEntry], images: TrainingData) -> None:
        """`tables` is what `compute_features` returned, read from `images`; `close` closes both."""
        super().__init__()
        rows = inputs.subsets[TRAIN]
        self._images = images
        self.sampler = images.sampler
        self.notes = images.notes
        batch_size = images.sampler.batch_size
        training = FeatureTable([tables[key] for key in sorted(tables) if key.subset == TRAIN])
        self._tables = [training]
        self._train_batches = TrainingBatches(self.sampler, training, TargetTable(inputs, rows), len(rows))
        self._validation_batches: ValidationBatches | None = None
        if TableKey(VALIDATION, 0) in tables:
            validation, val_rows = FeatureTable([tables[TableKey(VALIDATION, 0)]]), inputs.subsets[VALIDATION]
            targets = TargetTable(inputs, val_rows)
            self._tables.append(validation)
            self._validation_batches = ValidationBatches(validation, targets, len(val_rows), batch_size)

    @property
    def batches_per_epoch(self) -> int:
        """Training batches of a whole epoch."""
        return len(self.sampler)

    @property
    def validation_loader(self) -> ValidationBatches | None:
        """The validation batches, None when there are no validation images."""
        return self._validation_batches

    @property
    def validation_batches_everywhere(self) -> int:
        """Validation batches that every process has: there is one process."""
        return 0 if self._validation_batches is None else len(self._validation_batches)

    def train_dataloader(self) -> TrainingBatches:
        """Return the training batches; where they begin is the sampler's position."""
        return self._train_batches

    @property
    def statistics(self) -> ReadStatistics:
        """What reading the images has cost."""
        return self._images.statistics

    def take_skipped(self) -> list[SkippedSample]:
        """Return the images found unreadable since the last call."""
        return self._images.take_skipped()

    def take_notes(self) -> list[str]:
        """Return why images are no longer kept, where that happened since the last call."""
        return self._images.take_notes()

    def count_cached(self) -> tuple[int, int]:
        """Return how many training images need no decoding any more, and how many there are."""
        return self._images.count_cached()

    def tune_pace(self, num_images: int, reading: ReadStatistics, step_s: float) -> None:
        """Nothing is read from images while the head is trained."""

    def settle_pace(self) -> None:
        """Nothing is read from images while the head is trained."""

    @property
    def best_pace(self) -> Pace | None:
        """The fastest pace that this run or an earlier one has tried, None when none was."""
        return self._images.best_pace

    @property
    def is_pace_settled(self) -> bool:
        """Whether no other pace will be tried any more."""
        return self._images.is_pace_settled

    def describe_pace(self) -> ReadingChoice:
        """Return at which pace the images were read."""
        return self._images.describe_pace()

    def describe_reading(self) -> dict[str, Any]:
        """Return how the images were read, as plain data."""
        return self._images.describe_reading()

    def close(self) -> None:
        """Close the files."""
        self._images.close()
        for table in self._tables:
            table.close()
