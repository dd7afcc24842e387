"""Puts an arithmetic into effect: order of pixels in memory, precision, compilation. It chooses nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from app.schemas.arithmetic import UsedMemoryFormat, UsedPrecision

M = TypeVar("M", bound=nn.Module)
_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
_TYPES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def apply_memory_format(model: M, memory_format: UsedMemoryFormat) -> M:
    """Reorder the weights of a model in place, and return it."""
    return model.to(memory_format=_FORMATS[memory_format])


def as_memory_format(images: Tensor, memory_format: UsedMemoryFormat) -> Tensor:
    """Return images (batch, channels, height, width) in this order; the same tensor when they have it.

    Features, which have no height and width, are returned as they are.
    """
    if images.dim() != 4:
        return images
    return images.contiguous(memory_format=_FORMATS[memory_format])


def enter_precision(precision: UsedPrecision, device_type: str) -> AbstractContextManager[Any]:
    """Return the context that a whole training step runs in, backward pass included; Lightning's is the same."""
    if precision == "32-true":
        return nullcontext()
    return torch.autocast(device_type, dtype=_TYPES[precision], cache_enabled=False)


def compile_model(model: nn.Module) -> None:
    """Compile a model in place: calls of the model itself from its own `loss` are compiled, names of weights stay."""
    model.compile()


def take_samples(values: Any, positions: Sequence[int]) -> Any:
    """Return the samples at these positions of a batch of images or targets: a tensor, a list, or a mapping of them.

    A position can be named more than once.
    """
    if isinstance(values, Tensor):
        if positions and list(positions) == list(range(positions[0], positions[0] + len(positions))):
            return values[positions[0] : positions[0] + len(positions)]  # no copy
        return values[torch.as_tensor(positions, device=values.device)]
    if isinstance(values, Mapping):
        return {name: take_samples(value, positions) for name, value in values.items()}
    return [values[position] for position in positions]


def move_to(values: Any, device: torch.device) -> Any:
    """Return a batch of images or targets on a device."""
    if isinstance(values, Tensor):
        return values.to(device)
    if isinstance(values, Mapping):
        return {name: move_to(value, device) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return [move_to(value, device) for value in values]
    return values
