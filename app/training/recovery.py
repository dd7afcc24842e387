"""What a run does when it breaks: goes back to its last checkpoint with a smaller step or smaller parts of a batch.

Decides only; who trains catches RunBroken, asks here, and begins again. Raises JobFailure when nothing is left to try.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

import torch

from app.schemas.arithmetic import ArithmeticChoice
from app.schemas.job_context import JobFailure

MAX_ROLLBACKS = 2
ROLLBACK_FACTOR = 0.25

BreakReason = Literal["loss_not_finite", "out_of_memory"]
_HOST_MEMORY = re.compile(r"can't allocate memory|not enough memory|bad_alloc|DefaultCPUAllocator", re.IGNORECASE)
_DEVICE_MEMORY = re.compile(r"CUDA out of memory|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED")
# What the driver itself says, also of pinned memory, which is the computer's.
_DRIVER_MEMORY = re.compile(r"CUDA error: out of memory|CUDA driver error: out of memory|cudaErrorMemoryAllocation")


class RunBroken(Exception):  # noqa: N818 - an outcome that may be mended
    """Training cannot go on from here; `message` says what happened, in the past tense."""

    def __init__(self, reason: BreakReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Adjustment:
    """What a run does otherwise than its settings say, since it broke.

    `choice` is the arithmetic that it began with, before its batches were divided; it is kept, because another one
    could have another batch.
    """

    rate_scale: float = 1.0
    rollbacks: int = 0
    micro_batch_size: int | None = None
    choice: ArithmeticChoice | None = None


def as_broken(error: BaseException) -> RunBroken | None:
    """Return what an error means to a run: out of memory on the device or the host, or None for anything else."""
    if isinstance(error, RunBroken):
        return error
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError) or (isinstance(error, RuntimeError) and _DEVICE_MEMORY.search(text)):
        return RunBroken("out_of_memory", "The GPU ran out of memory.")
    if isinstance(error, RuntimeError) and _DRIVER_MEMORY.search(text):
        return RunBroken("out_of_memory", "The GPU driver ran out of memory, either the GPU's or the computer's.")
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _HOST_MEMORY.search(text)):
        return RunBroken("out_of_memory", "The computer ran out of memory.")
    return None


def plan_recovery(broken: RunBroken, present: Adjustment, micro_batch_size: int, learning_rate: float) -> Adjustment:
    """Return what to change before the run goes on from its last checkpoint.

    `micro_batch_size` is what the run has used so far. Raises JobFailure when the batch cannot be divided any further,
    or after MAX_ROLLBACKS smaller steps.
    """
    if broken.reason == "out_of_memory":
        return _halve_batch(broken, present, micro_batch_size)
    if present.rollbacks >= MAX_ROLLBACKS:
        msg = (
            f"{broken.message} This happened again after {MAX_ROLLBACKS} returns to the last good checkpoint, each "
            f"with a lower learning rate. Try a learning rate below {learning_rate:g} (a tenth of it), "
            "gradient clip 1, or precision 32."
        )
        raise JobFailure(msg, "LossNotFinite") from broken
    return replace(present, rate_scale=present.rate_scale * ROLLBACK_FACTOR, rollbacks=present.rollbacks + 1)


def describe_recovery(broken: RunBroken, adjusted: Adjustment, batch_size: int, learning_rate: float) -> str:
    """Return what happened and what is done about it, as sentences for the user."""
    if broken.reason == "out_of_memory":
        return (
            f"{broken.message} Each batch of {batch_size} images is now computed in parts of at most "
            f"{adjusted.micro_batch_size}, whose gradients are added; the number of images per update stays the same."
        )
    return (
        f"{broken.message} The run continues from the last good checkpoint with a learning rate of "
        f"{learning_rate * adjusted.rate_scale:g} instead of {learning_rate:g} "
        f"(attempt {adjusted.rollbacks} of at most {MAX_ROLLBACKS})."
    )


def _halve_batch(broken: RunBroken, present: Adjustment, micro_batch_size: int) -> Adjustment:
    if micro_batch_size <= 1:
        msg = (
            f"{broken.message} Not even a single image at a time fits. Use a smaller image size, a smaller model, or "
            "precision bf16-mixed."
        )
        raise JobFailure(msg, "OutOfMemory") from broken
    return replace(present, micro_batch_size=(micro_batch_size + 1) // 2)
