"""Engines for a spare with the real warm-up: the real training, and one that tells what PyTorch stands at."""

from __future__ import annotations

from typing import Any

from app.schemas.job_context import JobContext


def look(context: JobContext) -> dict[str, Any]:
    """Return what a warm-up must leave as it finds it."""
    import torch
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    return {
        "cache_dir": cache_dir().replace(str(context.output_dir.parent), "JOB"),
        "is_cuda_initialized": bool(torch.cuda.is_initialized()),  # type: ignore[no-untyped-call]
        "num_threads": torch.get_num_threads(),
        "num_interop_threads": torch.get_num_interop_threads(),
        "is_deterministic": torch.are_deterministic_algorithms_enabled(),
        "has_grad": torch.is_grad_enabled(),
        "dtype": str(torch.get_default_dtype()),
        "has_benchmark": torch.backends.cudnn.benchmark,
        "precision": torch.get_float32_matmul_precision(),
    }


TABLE = {"train": "app.training.run:run", "look": "tests.warm_engines:look"}
