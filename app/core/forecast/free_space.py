"""What is free for a run on this machine now."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from app.core.devices import list_devices

MIB = 2**20


@dataclass(frozen=True)
class FreeSpace:
    """What is free now, in MiB; of the GPUs that are chosen the fullest one, None without."""

    ram_mb: float
    disk_mb: float
    vram_mb: float | None = None


def measure_free(root: Path, selected_devices: Collection[str]) -> FreeSpace:
    """Return what is free on the disk of a folder, in memory, and on the GPUs among the devices."""
    devices = list_devices(None).devices
    gpus = [device.memory_free_mb for device in devices if device.id in selected_devices and device.type == "cuda"]
    return FreeSpace(
        ram_mb=next(device.memory_free_mb for device in devices if device.type == "cpu"),
        disk_mb=shutil.disk_usage(root).free / MIB,
        vram_mb=min(gpus, default=None),
    )
