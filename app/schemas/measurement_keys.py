"""Builds the keys of measurements. The web process and a job must build the same key, so torch is not used."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from app.schemas.arithmetic import MeasurementKey
from app.schemas.payloads import TrainPayload
from app.schemas.reproducible import FIXED, is_reproducible

CPU_INFO = Path("/proc/cpuinfo")
# What every image goes through in the same way; it decides the size of an image and is not random.
PREPROCESSING_TRANSFORMS = frozenset({"Resize", "CenterCrop", "Normalize"})


def build_measurement_key(
    payload: TrainPayload,
    hyperparameters: Mapping[str, Any],
    image_size: tuple[int, int],
    device_name: str,
    num_devices: int,
    source_scale: float = 1.0,
) -> MeasurementKey:
    """Return the key of a run; `hyperparameters` are complete, `image_size` is (height, width) in pixels.

    `source_scale` is how much larger its training images are kept.
    """
    hardware = payload.hardware
    if is_reproducible(hyperparameters):
        hardware = hardware.model_copy(update=FIXED)
    names = (entry.name for entry in payload.augmentations.train)
    return MeasurementKey(
        device_name=device_name,
        num_devices=num_devices,
        task=payload.task,
        backbone=payload.model.backbone,
        freeze_backbone=payload.model.freeze_backbone,
        image_size=image_size,
        batch_size=int(hyperparameters["batch_size"]),
        auto_batch_size=bool(hyperparameters["auto_batch_size"]),
        optimizer=str(hyperparameters["optimizer"]),
        ema=bool(hyperparameters["ema"]),
        deterministic=bool(hyperparameters["deterministic"]),
        source_scale=round(source_scale, 4),
        precision=hardware.precision,
        memory_format=hardware.memory_format,
        fused_optimizer=hardware.fused_optimizer,
        compile=hardware.compile,
        augmentations=",".join(name for name in names if name not in PREPROCESSING_TRANSFORMS),
        torch=read_torch_version(),
    )


def find_device_name(selected_devices: Sequence[str], gpu_names: Sequence[str]) -> str | None:
    """Return the name of the first selected device, None when it is not there; GPUs as their driver names them."""
    first = selected_devices[0]
    if first == "cpu":
        return read_cpu_name()
    number = int(first.removeprefix("gpu:"))
    return gpu_names[number] if number < len(gpu_names) else None


def count_devices(selected_devices: Sequence[str]) -> int:
    """Return how many devices train together; naming one twice changes nothing."""
    return len(dict.fromkeys(selected_devices))


@cache
def read_cpu_name() -> str:
    """Return the processor's name and how many of its logical cores this process may use."""
    return f"{_read_processor(CPU_INFO)}, {_count_cores()} cores"


@cache
def read_torch_version() -> str:
    """Return the installed version of torch, with its build, or "not installed"."""
    try:
        return version("torch")
    except PackageNotFoundError:
        return "not installed"


def _read_processor(cpu_info: Path) -> str:
    try:
        lines = cpu_info.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine() or "CPU"


def _count_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
