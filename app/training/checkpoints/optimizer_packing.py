"""The state of an optimizer as few tensors, because each tensor of a checkpoint costs time to write, however small.

Step counters, and what belongs to biases and normalisation, have one dimension at most; they are joined into one
tensor for each kind. Larger ones stay as they are: joining them would take their memory a second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

PACKED_KEY = "packed"
_SCALAR = -1


def pack_optimizer(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of an optimizer with its small tensors joined; what is joined is copied."""
    kept: dict[Any, dict[str, Any]] = {}
    groups: dict[tuple[str, torch.dtype, torch.device], list[tuple[int, Tensor]]] = {}
    for owner, values in state_dict["state"].items():
        kept[owner] = {}
        for name, value in values.items():
            if isinstance(value, Tensor) and value.dim() <= 1:
                groups.setdefault((name, value.dtype, value.device), []).append((owner, value))
            else:
                kept[owner][name] = value
    packed = [
        {
            "name": name,
            "owners": torch.tensor([owner for owner, _ in members]),
            "sizes": torch.tensor([value.numel() if value.dim() else _SCALAR for _, value in members]),
            "values": torch.cat([value.detach().reshape(-1) for _, value in members]),
        }
        for (name, _, _), members in groups.items()
    ]
    return {**state_dict, "state": kept, PACKED_KEY: packed}


def unpack_optimizer(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the optimizer itself would have saved; the state of an older checkpoint is that already."""
    state = {owner: dict(values) for owner, values in saved["state"].items()}
    for group in saved.get(PACKED_KEY, []):
        sizes = group["sizes"].tolist()
        parts = group["values"].split([1 if size == _SCALAR else size for size in sizes])
        for owner, size, part in zip(group["owners"].tolist(), sizes, parts, strict=True):
            # A copy, so that each has its own memory as if it had been read alone.
            state[owner][group["name"]] = part.clone().reshape(() if size == _SCALAR else (size,))
    return {name: value for name, value in saved.items() if name != PACKED_KEY} | {"state": state}
