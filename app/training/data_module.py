"""The batches of a run: loaders for training and validation over the records of a dataset."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from app.datasets.augmentations import BatchAugmentation, ImageAugmentation
from app.datasets.reading import ImageDataset, Sample
from app.datasets.sampling import EpochBatchSampler, Order
from app.datasets.table import ImageRecord, class_name_of
from app.tasks.base import TaskContext
from app.training.inputs import TrainingInputs

MEGAPIXELS_WORTH_WORKERS = 200.0
MAX_WORKERS = 4


class Batch(NamedTuple):
    """Images (size, 3, height, width), uint8 or float 0..255, and their collated targets."""

    images: Tensor
    targets: Any
    size: int


class BatchCollator:
    """Samples to a batch; can be sent to a worker process."""

    def __init__(self, collate_targets: Callable[[Sequence[Any]], Any], mix: BatchAugmentation | None = None) -> None:
        self._collate_targets = collate_targets
        self._mix = mix

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        """Return the batch, mixed when batch transforms were chosen."""
        images = torch.stack([sample.image for sample in samples])
        targets = self._collate_targets([sample.target for sample in samples])
        if self._mix is not None:
            images, targets = self._mix(images, targets, samples[0].epoch, samples[0].position)
        return Batch(images, targets, len(samples))


class TargetEncoder:
    """Encodes targets in the context of a run; can be sent to a worker process."""

    def __init__(self, encode: Callable[[ImageRecord, TaskContext], Any], context: TaskContext) -> None:
        self._encode = encode
        self._context = context

    def __call__(self, row: ImageRecord) -> Any:
        """Return the target of one image."""
        return self._encode(row, self._context)


class TrainingData(LightningDataModule):
    """The loaders of one process among `world_size`."""

    def __init__(self, inputs: TrainingInputs, num_workers: int, pin_memory: bool, rank: int, world_size: int) -> None:
        super().__init__()
        self._inputs = inputs
        self._loader_settings: dict[str, Any] = {
            "num_workers": num_workers,
            "persistent_workers": num_workers > 0,
            "pin_memory": pin_memory,
            # A generator of its own keeps the loaders from drawing a number from the one that the model draws from.
            "generator": torch.Generator(),
        }
        self._encoder = TargetEncoder(inputs.parts.data.encode_target, inputs.context)
        self._rank, self.world_size = rank, world_size
        hyperparameters = inputs.hyperparameters
        order: Order = "sequential" if inputs.learns_by == "fill" else hyperparameters.get("sampler", "shuffle")
        self.sampler = EpochBatchSampler(
            [class_name_of(row) or "" for row in inputs.subsets["train"]],
            int(hyperparameters["batch_size"]),
            int(hyperparameters["seed"]),
            order,
            rank,
            world_size,
        )
        self._train_loader = self._build_train_loader()
        self._validation_loader = self._build_validation_loader()

    @property
    def batches_per_epoch(self) -> int:
        """Training batches of a whole epoch in each process."""
        return len(self.sampler)

    @property
    def validation_loader(self) -> DataLoader[Sample] | None:
        """This process's share of the validation images, None when there are none."""
        return self._validation_loader

    @property
    def validation_batches_everywhere(self) -> int:
        """Validation batches that every process has; the first ones can have one more."""
        rows = len(self._inputs.subsets["val"]) // self.world_size
        return -(-rows // int(self._inputs.hyperparameters["batch_size"]))

    def train_dataloader(self) -> DataLoader[Sample]:
        """Return the training batches; where they begin is the sampler's position."""
        return self._train_loader

    def close(self) -> None:
        """End the processes that read images. Left to the garbage collector they end late, and one after the other."""
        for loader in (self._train_loader, self._validation_loader):
            iterator = getattr(loader, "_iterator", None)
            if iterator is not None and hasattr(iterator, "_shutdown_workers"):
                iterator._shutdown_workers()

    def _build_train_loader(self) -> DataLoader[Sample]:
        inputs = self._inputs
        seed = int(inputs.hyperparameters["seed"])
        entries = inputs.payload.augmentations.train if inputs.learns_by == "gradient" else []
        mix = BatchAugmentation(entries, len(inputs.context.classes), seed)
        dataset = ImageDataset(
            inputs.subsets["train"],
            inputs.images_dir,
            inputs.preprocessing,
            self._encoder,
            ImageAugmentation(entries, inputs.preprocessing.input_size, seed),
        )
        collator = BatchCollator(inputs.parts.data.collate_targets, None if mix.is_empty else mix)
        return DataLoader(dataset, batch_sampler=self.sampler, collate_fn=collator, **self._loader_settings)

    def _build_validation_loader(self) -> DataLoader[Sample] | None:
        rows = self._inputs.subsets["val"]
        if not rows:
            return None
        share = rows[self._rank :: self.world_size]
        dataset = ImageDataset(share, self._inputs.images_dir, self._inputs.preprocessing, self._encoder)
        return DataLoader(
            dataset,
            batch_size=int(self._inputs.hyperparameters["batch_size"]),
            collate_fn=BatchCollator(self._inputs.parts.data.collate_targets),
            **self._loader_settings,
        )


def resolve_num_workers(requested: int, rows: Sequence[ImageRecord], cpu_count: int | None = None) -> int:
    """Return the processes that read images: as asked for, or for -1 by the pixels that an epoch decodes.

    Below 200 megapixels an epoch (some seconds of decoding) starting processes does not pay; above, one process for
    each core, four at most.
    """
    if requested >= 0:
        return requested
    megapixels = sum(row.width * row.height for row in rows) / 1e6
    cores = cpu_count or os.cpu_count() or 1
    if megapixels < MEGAPIXELS_WORTH_WORKERS or cores < 2:
        return 0
    return min(cores, MAX_WORKERS)
