"""One batch on its way to the model: images or features, targets, and which images they are."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from app.datasets.transfer import is_queued, send


class Batch(NamedTuple):
    """Images (size, 3, height, width), uint8 or float 0..255, or features of them, with their collated targets.

    `positions` are the places of the images in the list of records; together with the epoch they decide what
    augmentation draws. A batch of which no image could be read has size 0.
    """

    images: Tensor
    targets: Any
    size: int
    positions: Sequence[int] = ()
    epoch: int = 0
    is_features: bool = False

    def to(self, device: torch.device, **_: Any) -> Batch:
        """Return the batch on a device.

        The host does not wait for a GPU, which Lightning asks for with plain tensors only. Each batch has memory of
        its own, pinned by the reader where that pays, so nothing writes to it while it is on its way.
        """
        images = self.images
        moved = send(images, device) if self.is_features else images.to(device, non_blocking=is_queued(device))
        return self._replace(images=moved, targets=_map_tensors(self.targets, lambda tensor: send(tensor, device)))


def split_batch(batch: Batch, size: int) -> Iterator[Batch]:
    """Yield the batch in parts of at most `size` images, as equal as they can be; a batch of none has no parts.

    Batch normalisation could not learn from a part of one image, so where two images are the most, a part may have
    three. Single images come only from a batch of one, or where one is the limit.
    """
    if batch.size <= size:
        if batch.size:
            yield batch
        return
    count = -(-batch.size // size)
    if size > 1:
        count = min(count, batch.size // 2)
    edges = [number * batch.size // count for number in range(count + 1)]
    for start, stop in itertools.pairwise(edges):
        yield batch._replace(
            images=batch.images[start:stop],
            targets=_slice_targets(batch.targets, start, stop),
            size=stop - start,
            positions=batch.positions[start:stop],
        )


def _map_tensors(value: Any, change: Any) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {name: _map_tensors(item, change) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([_map_tensors(item, change) for item in value])
    return value


def _slice_targets(targets: Any, start: int, stop: int) -> Any:
    """Tensors and lists have one entry for each image; a dictionary holds several of them."""
    if isinstance(targets, dict):
        return {name: _slice_targets(item, start, stop) for name, item in targets.items()}
    return targets[start:stop]
