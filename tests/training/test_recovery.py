"""What is decided after a run broke."""

from __future__ import annotations

import pytest
import torch

from app.schemas.job_context import JobFailure
from app.training.recovery import Adjustment, RunBroken, as_broken, describe_recovery, plan_recovery


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "The GPU ran out of memory."),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), "The GPU ran out of memory."),
        (
            RuntimeError("CUDA error: out of memory\nCompile with"),
            "The GPU driver ran out of memory, either the GPU's or",
        ),
        (RuntimeError("CUDA driver error: out of memory"), "The GPU driver ran out of memory, either the GPU's or"),
        (ValueError("CUDA error: out of memory"), None),
        (MemoryError(), "The computer ran out of memory."),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "The computer ran out of memory."),
        (RuntimeError("shapes do not match"), None),
        (ValueError("can't allocate memory"), None),
        (RunBroken("loss_not_finite", "It broke."), "It broke."),
    ],
)
def test_errors_are_told_apart(error: BaseException, expected: str | None) -> None:
    broken = as_broken(error)
    assert (broken is None) == (expected is None)
    assert (broken.message if broken else "").startswith(expected or "")


def test_memory_halves_the_parts_of_a_batch_until_one_image_is_left() -> None:
    broken = RunBroken("out_of_memory", "The GPU ran out of memory.")
    sizes, adjusted = [12], Adjustment(0.25, 1)
    while sizes[-1] > 1:
        adjusted = plan_recovery(broken, adjusted, sizes[-1], 0.1)
        sizes.append(adjusted.micro_batch_size or 0)
    assert sizes == [12, 6, 3, 2, 1]
    assert (adjusted.rate_scale, adjusted.rollbacks) == (0.25, 1)
    assert "parts of at most 1" in describe_recovery(broken, adjusted, 12, 0.1)
    with pytest.raises(JobFailure, match="Not even a single image") as caught:
        plan_recovery(broken, adjusted, 1, 0.1)
    assert caught.value.kind == "OutOfMemory"


def test_a_loss_that_is_not_finite_gets_two_smaller_steps() -> None:
    broken = RunBroken("loss_not_finite", "The loss became infinite.")
    first = plan_recovery(broken, Adjustment(micro_batch_size=4), 4, 0.1)
    second = plan_recovery(broken, first, 4, 0.1)
    assert [(each.rate_scale, each.rollbacks, each.micro_batch_size) for each in (first, second)] == [
        (0.25, 1, 4), (0.0625, 2, 4),
    ]  # fmt: skip
    assert "0.025 instead of 0.1 (attempt 1 of at most 2)" in describe_recovery(broken, first, 4, 0.1)
    with pytest.raises(JobFailure, match="again after 2 returns") as caught:
        plan_recovery(broken, second, 4, 0.1)
    assert caught.value.kind == "LossNotFinite"
