"""The devices of this machine, read from the driver and the system without torch."""

from __future__ import annotations

import logging
import platform

import psutil
import pynvml

from app.core.exceptions import GpuNotAvailableError
from app.schemas.system import Device, DeviceList

logger = logging.getLogger(__name__)
MIB = 2**20


def list_devices(default_device: str | None) -> DeviceList:
    """Return the CPU and every GPU that the driver knows; memory in MiB."""
    memory = psutil.virtual_memory()
    cpu = Device(
        id="cpu",
        name=platform.processor() or platform.machine() or "CPU",
        type="cpu",
        memory_total_mb=memory.total // MIB,
        memory_free_mb=memory.available // MIB,
    )
    gpus, cuda_version = _read_gpus()
    known = {device.id for device in gpus} | {"cpu"}
    preferred = default_device if default_device in known else (gpus[0].id if gpus else "cpu")
    return DeviceList(
        devices=[cpu, *gpus], cuda_available=bool(gpus), cuda_version=cuda_version, default_selected=[preferred]
    )


def require_devices(devices: list[str]) -> None:
    """Raise GpuNotAvailableError when one of the devices is not in this machine."""
    if all(device == "cpu" for device in devices):
        return
    known = [device.id for device in list_devices(None).devices]
    for device in devices:
        if device not in known:
            msg = f"The device {device} is not available on this machine. Available: {', '.join(known)}."
            raise GpuNotAvailableError(msg)


def _read_gpus() -> tuple[list[Device], str | None]:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return [], None
    try:
        version = pynvml.nvmlSystemGetCudaDriverVersion()
        gpus = [_describe_gpu(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return gpus, f"{version // 1000}.{version % 1000 // 10}"
    except pynvml.NVMLError:
        logger.exception("The NVIDIA driver answered with an error.")
        return [], None
    finally:
        pynvml.nvmlShutdown()


def _describe_gpu(index: int) -> Device:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    name = pynvml.nvmlDeviceGetName(handle)
    return Device(
        id=f"gpu:{index}",
        name=name.decode() if isinstance(name, bytes) else str(name),
        type="cuda",
        memory_total_mb=int(memory.total) // MIB,
        memory_free_mb=int(memory.free) // MIB,
    )
