"""Which devices, precision and strategy a run really uses. Pure functions over what the machine can do."""

from __future__ import annotations

import importlib.util
import math
import os
import platform
import shutil
from dataclasses import dataclass, replace
from typing import Literal

import psutil
import torch

from app.schemas.arithmetic import UsedPrecision
from app.schemas.experiments import HardwareSettings, Precision
from app.schemas.job_context import JobFailure

MIB = 2**20
CPP_COMPILERS = ("cl",) if os.name == "nt" else ("g++", "clang++", "c++")
_AS_USED: dict[Precision, UsedPrecision] = {"32": "32-true", "16-mixed": "16-mixed", "bf16-mixed": "bf16-mixed"}


@dataclass(frozen=True)
class MachineCapabilities:
    """What this machine offers; names of the GPUs in the order of their numbers."""

    gpu_names: tuple[str, ...]
    has_bf16: bool
    has_cpp_compiler: bool = False
    has_triton: bool = False
    has_cpu_bf16: bool = True
    num_cores: int = 8
    ram_mb: float = math.inf
    vram_mb: float = math.inf


@dataclass(frozen=True)
class Hardware:
    """What a run uses. `devices` are GPU numbers, or for the CPU the number of processes.

    `precision` is the one that was asked for; for `auto` a safe one, until measuring finds what is faster.
    """

    accelerator: Literal["cpu", "cuda"]
    devices: tuple[int, ...] | int
    names: tuple[str, ...]
    precision: UsedPrecision
    strategy: Literal["auto", "ddp"]

    @property
    def num_processes(self) -> int:
        """Processes that train together."""
        return self.devices if isinstance(self.devices, int) else len(self.devices)

    def restricted_to_one(self) -> Hardware:
        """Return the same with the first device alone."""
        devices = 1 if isinstance(self.devices, int) else self.devices[:1]
        return Hardware(self.accelerator, devices, self.names[:1], self.precision, "auto")

    def with_precision(self, precision: UsedPrecision) -> Hardware:
        """Return the same with the precision that was chosen."""
        return replace(self, precision=precision)

    @property
    def first_device(self) -> torch.device:
        """The device of the first process."""
        return torch.device("cpu") if isinstance(self.devices, int) else torch.device("cuda", self.devices[0])


def probe_capabilities() -> MachineCapabilities:
    """Return what this machine offers."""
    found = MachineCapabilities(
        (),
        has_bf16=False,
        has_cpp_compiler=find_cpp_compiler() is not None,
        has_cpu_bf16=has_cpu_bf16(),
        num_cores=os.cpu_count() or 1,
        ram_mb=psutil.virtual_memory().total / MIB,
    )
    if not torch.cuda.is_available():
        return found
    numbers = range(torch.cuda.device_count())
    return replace(
        found,
        gpu_names=tuple(torch.cuda.get_device_name(number) for number in numbers),
        has_bf16=torch.cuda.is_bf16_supported(including_emulation=False),
        has_triton=importlib.util.find_spec("triton") is not None,
        vram_mb=min(torch.cuda.get_device_properties(number).total_memory for number in numbers) / MIB,
    )


def has_cpu_bf16() -> bool:
    """Return whether the processor computes convolutions in bf16; emulating them would be many times slower.

    What oneDNN supports it also emulates, on any processor with AVX-512; so there the instructions are asked for.
    """
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return True
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def find_cpp_compiler() -> str | None:
    """Return the path of a C++ compiler, which compiling a model for the CPU needs, or None."""
    wanted = os.environ.get("CXX")
    found = (shutil.which(name) for name in ((wanted,) if wanted else CPP_COMPILERS))
    return next((path for path in found if path), None)


def resolve_hardware(settings: HardwareSettings, capabilities: MachineCapabilities) -> Hardware:
    """Return what a run with these settings uses; raises JobFailure for what this machine cannot do."""
    selected = list(dict.fromkeys(settings.selected_devices))
    if selected == ["cpu"]:
        return Hardware("cpu", 1, ("cpu",), _resolve_cpu_precision(settings.precision), "auto")
    if "cpu" in selected:
        msg = f"Select the CPU or GPUs, not both: {', '.join(selected)}."
        raise JobFailure(msg, "DeviceNotAvailable")
    numbers = tuple(int(device.removeprefix("gpu:")) for device in selected)
    missing = [f"gpu:{number}" for number in numbers if number >= len(capabilities.gpu_names)]
    if missing:
        found = ", ".join(f"gpu:{number}" for number in range(len(capabilities.gpu_names))) or "none"
        msg = f"This machine has no {', '.join(missing)}. GPUs here: {found}."
        raise JobFailure(msg, "DeviceNotAvailable")
    names = tuple(capabilities.gpu_names[number] for number in numbers)
    precision = _resolve_gpu_precision(settings.precision, capabilities)
    return Hardware("cuda", numbers, names, precision, "ddp" if len(numbers) > 1 else "auto")


def _resolve_cpu_precision(precision: Precision) -> UsedPrecision:
    if precision == "auto":
        return "32-true"
    if precision == "16-mixed":
        msg = "Precision 16-mixed needs a GPU: on the CPU choose auto, 32 or bf16-mixed."
        raise JobFailure(msg, "PrecisionNotAvailable")
    return _AS_USED[precision]


def _resolve_gpu_precision(precision: Precision, capabilities: MachineCapabilities) -> UsedPrecision:
    if precision == "auto":
        return "bf16-mixed" if capabilities.has_bf16 else "16-mixed"
    return _AS_USED[precision]
