"""The moving average of the weights that is evaluated in place of them. When it is moved on is decided elsewhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

EMA_DECAY = 0.999


class WeightAverage(AveragedModel):
    """An average of parameters and buffers; names of its weights are those of torch's.

    torch's own way of moving it on asks the device twice how often it was done, and the host waits for the answer.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model, use_buffers=True)
        self.requires_grad_(requires_grad=False)
        self.share_frozen_weights(model)

    def share_frozen_weights(self, model: nn.Module) -> None:
        """Use the model's weights that never change: a frozen backbone is kept, averaged and saved once.

        Each of the two gets its own when they are moved to a device, so this is to be repeated then.
        """
        for average, parameter in zip(self.module.parameters(), model.parameters(), strict=True):
            if not parameter.requires_grad:
                average.data = parameter.data

    def move_on(self, model: nn.Module, num_steps: int) -> None:
        """Move towards the weights after so many steps, from 1 on, when they are copied.

        It moves quickly at first, or a short run would keep its random start.
        """
        pairs = [(average, value) for average, value in self._pair(model) if average.data_ptr() != value.data_ptr()]
        decay = min(EMA_DECAY, (1 + num_steps) / (10 + num_steps))
        floats: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
        for average, value in pairs:
            if num_steps == 1 or not average.is_floating_point():
                average.copy_(value, non_blocking=True)
                continue
            averages, values = floats.setdefault(average.dtype, ([], []))
            averages.append(average)
            values.append(value.to(average.dtype))
        for averages, values in floats.values():
            torch._foreach_lerp_(averages, values, 1.0 - decay)
        self.n_averaged += 1

    def _pair(self, model: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
        own = itertools.chain(self.module.parameters(), self.module.buffers())
        others = itertools.chain(model.parameters(), model.buffers())
        for average, value in zip(own, others, strict=True):
            yield average.detach(), value.detach()
