"""Checkpoint files: written whole or not at all, and read without running code. What is inside is decided elsewhere."""

from __future__ import annotations

import copy
import errno
import os
from pathlib import Path
from typing import Any, cast

import torch

from app.durable import link_or_copy, sync_directory
from app.schemas.job_context import JobFailure

LAST = "last.ckpt"
BEST = "best.ckpt"


def save_atomically(content: dict[str, Any], path: Path) -> int:
    """Write a checkpoint under a temporary name beside it, then rename it; return its size in bytes.

    A reader and a process killed at any moment see the old file or the new one. Raises JobFailure on a full disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        raise _explain(error, path) from error
    sync_directory(path.parent)
    return path.stat().st_size


def keep_as(source: Path, path: Path) -> None:
    """Give a checkpoint a second name that stays when the first one is replaced; a copy where links do not exist."""
    try:
        link_or_copy(source, path)
    except OSError as error:
        raise _explain(error, path) from error


def copy_to_host(content: Any) -> Any:
    """Return a copy of a checkpoint in main memory, so that one that waits to be written takes none of a GPU's.

    Tensors that share memory share it in the copy too.
    """
    return _copy_to_host(content, {})


def _copy_to_host(value: Any, copies: dict[tuple[Any, ...], torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        key = (value.device, value.data_ptr(), value.dtype, tuple(value.shape), value.stride())
        if key not in copies:
            copies[key] = value.detach().to("cpu", copy=True)
        return copies[key]
    if isinstance(value, dict):
        copied = type(value)((name, _copy_to_host(item, copies)) for name, item in value.items())
        if hasattr(value, "_metadata"):  # versions of modules, which torch hangs on the weights of a model
            cast("Any", copied)._metadata = copy.deepcopy(value._metadata)
        return copied
    if isinstance(value, list | tuple):
        return type(value)(_copy_to_host(item, copies) for item in value)
    return copy.deepcopy(value)


def remove_leftovers(folder: Path) -> None:
    """Remove what a process that was killed left half written."""
    for path in folder.glob(".*.ckpt.*.tmp"):
        path.unlink(missing_ok=True)


def _explain(error: OSError | RuntimeError, path: Path) -> JobFailure:
    cause = error.__cause__ or error.__context__ or error
    is_full = errno.ENOSPC in {getattr(error, "errno", None), getattr(cause, "errno", None)}
    if is_full or "No space left" in str(error):
        # Whether the run can be resumed then depends on the checkpoints that there are: who shows this says it.
        return JobFailure(f"The disk is full: {path.name} could not be saved. Free up disk space.", "DiskFull")
    return JobFailure(f"{path.name} could not be saved: {error}", "CheckpointNotSaved")
