"""Copies small tensors from the host to a device without making the host wait.

A copy from ordinary memory waits for all that the GPU has yet to do; one from pinned memory joins its queue.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def is_queued(device: torch.device) -> bool:
    """Return whether copies to a device may be left to its queue: torch keeps pinned memory until they are done."""
    return device.type == "cuda"


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a small tensor on a device. The one that is given must not be written to afterwards."""
    if not is_queued(device) or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def send_array(array: NDArray[np.generic], device: torch.device) -> Tensor:
    """Return a small array as a tensor on a device; on the CPU they share memory."""
    return send(torch.from_numpy(array), device)
