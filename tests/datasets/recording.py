"""A tensor that writes down how it is asked to move, for devices that are not there."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CUDA = torch.device("cuda", 0)


class RecordingTensor(Tensor):
    """Stays where it is whatever it is told; `moves` are (device, was it pinned first, may the host go on)."""

    moves: list[tuple[str, bool, bool]]
    was_pinned: bool

    @classmethod
    def of(cls, tensor: Tensor, moves: list[tuple[str, bool, bool]], was_pinned: bool = False) -> RecordingTensor:
        """Return the same numbers."""
        made = tensor.as_subclass(cls)
        made.moves, made.was_pinned = moves, was_pinned
        return made

    def pin_memory(self, device: Any = None) -> RecordingTensor:
        return RecordingTensor.of(self.as_subclass(Tensor), self.moves, was_pinned=True)

    def detach(self) -> RecordingTensor:
        return self

    def to(self, *args: Any, **kwargs: Any) -> Any:
        self.moves.append((str(torch.device(args[0])), self.was_pinned, bool(kwargs.get("non_blocking", False))))
        return self
