"""Which images a training epoch takes, in which order and in which batches. No pixels, no Lightning.

The order is a function of the seed and the epoch, so a run can be continued in the middle of an epoch, in another
process, without a record of what was drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Sampler

Order = Literal["shuffle", "balanced", "sequential"]


class SampleKey(NamedTuple):
    """An image by its place in the list of records, and the epoch that it is drawn for."""

    epoch: int
    position: int


def derive_seed(*parts: int) -> int:
    """Return a seed of 63 bits that is a function of the numbers and of their order."""
    digest = blake2b(",".join(map(str, parts)).encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "big") >> 1


class EpochBatchSampler(Sampler[list[SampleKey]]):
    """The batches of one epoch for one of `world_size` processes, from `start_batch` on.

    Every process gets the same number of batches; the order is filled up from its beginning where the images do not
    divide. balanced draws with replacement so that each group is as likely as the others. A last batch of one image
    is left out, because batch normalisation cannot learn from it; an epoch of one image repeats it.
    """

    def __init__(
        self,
        groups: Sequence[str],
        batch_size: int,
        seed: int,
        order: Order = "shuffle",
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """`groups` names for each image what balancing levels out; it gives the number of images, too."""
        self._groups = groups
        self.batch_size = batch_size
        self._seed = seed
        self._order = order
        self._rank = rank
        self._world_size = world_size
        self._epoch = 1
        self._start_batch = 0

    def set_position(self, epoch: int, start_batch: int = 0) -> None:
        """Choose the epoch, and the batch within it, that the next iteration begins with."""
        self._epoch = epoch
        self._start_batch = start_batch

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch, wherever the next iteration begins."""
        return len(self._spans())

    def __iter__(self) -> Iterator[list[SampleKey]]:
        epoch = self._epoch
        drawn = self._draw(epoch)
        for start, stop in self._spans()[self._start_batch :]:
            yield [SampleKey(epoch, position) for position in drawn[start:stop]]

    def _draw(self, epoch: int) -> list[int]:
        order = self._draw_everywhere(epoch).tolist()
        missing = -len(order) % self._world_size
        padded = order + [order[number % len(order)] for number in range(missing)]
        own = padded[self._rank :: self._world_size]
        return own * 2 if len(own) == 1 and self._order != "sequential" else own

    def _draw_everywhere(self, epoch: int) -> Tensor:
        count = len(self._groups)
        if self._order == "sequential":
            return torch.arange(count)
        generator = torch.Generator().manual_seed(derive_seed(self._seed, epoch))
        if self._order == "shuffle":
            return torch.randperm(count, generator=generator)
        return _draw_balanced(self._groups, generator)

    def _spans(self) -> list[tuple[int, int]]:
        count = -(-len(self._groups) // self._world_size)
        if self._order == "sequential":
            return [(start, min(start + self.batch_size, count)) for start in range(0, count, self.batch_size)]
        count = max(count, 2)
        size = max(self.batch_size, 2) if count <= 2 else self.batch_size
        spans = [(start, min(start + size, count)) for start in range(0, count, size)]
        has_single = size > 1 and spans[-1][1] - spans[-1][0] == 1
        return spans[:-1] if has_single else spans


def _draw_balanced(groups: Sequence[str], generator: torch.Generator) -> Tensor:
    counts = Counter(groups)
    weights = torch.tensor([1.0 / counts[group] for group in groups], dtype=torch.float64)
    # torch.multinomial takes at most 2**24 categories; inverting the cumulative sum has no such limit.
    limits = weights.cumsum(0)
    draws = torch.rand(len(groups), generator=generator, dtype=torch.float64) * limits[-1]
    return torch.searchsorted(limits, draws, right=True).clamp_(max=len(groups) - 1)
