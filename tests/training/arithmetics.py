"""Requests for an arithmetic, measurements that were kept, and a machine whose speed is a table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.schemas.arithmetic import Arithmetic, ArithmeticChoice, Candidate, MeasurementKey, RunMeasurement
from app.schemas.experiments import HardwareSettings
from app.schemas.hyperparameters import Hyperparameters
from app.training.arithmetic.hardware import MachineCapabilities, resolve_hardware
from app.training.arithmetic.rules import ArithmeticRequest
from app.training.arithmetic.step_timer import Measured

CPU = MachineCapabilities((), has_bf16=False)
ONE_GPU = MachineCapabilities(("New",), has_bf16=True)
TWO_OLD_GPUS = MachineCapabilities(("Old A", "Old B"), has_bf16=False)


def make_request(
    capabilities: MachineCapabilities = CPU,
    settings: dict[str, Any] | None = None,
    num_steps: int = 10_000,
    num_train_images: int = 10_000,
    **hyperparameters: Any,
) -> ArithmeticRequest:
    """Return a request; without devices in the settings it is for every GPU, or for the CPU."""
    devices = [f"gpu:{number}" for number in range(len(capabilities.gpu_names))] or ["cpu"]
    chosen = HardwareSettings(**({"selected_devices": devices} | (settings or {})))
    return ArithmeticRequest(
        settings=chosen,
        hardware=resolve_hardware(chosen, capabilities),
        capabilities=capabilities,
        hyperparameters=Hyperparameters(**hyperparameters),
        num_train_images=num_train_images,
        num_steps=num_steps,
    )


def make_arithmetic(**changes: Any) -> Arithmetic:
    """Return 32-bit, channels last, fused, on 32 images, with changes."""
    base: dict[str, Any] = {
        "precision": "32-true",
        "memory_format": "channels_last",
        "is_optimizer_fused": True,
        "batch_size": 32,
        "micro_batch_size": 32,
    }
    return Arithmetic(**(base | changes))


def make_candidate(images_per_s: float | None, **changes: Any) -> Candidate:
    """Return a candidate of this speed."""
    return Candidate(arithmetic=make_arithmetic(**changes), images_per_s=images_per_s)


def make_known(choice: ArithmeticChoice, source: Any = "run", images_per_s: float = 50.0) -> RunMeasurement:
    """Return what an earlier run or probe left behind."""
    key = MeasurementKey(
        device_name="A processor", num_devices=1, task="colours", backbone="tiny", freeze_backbone=False,
        image_size=(16, 16), batch_size=32, optimizer="adam", ema=False, precision="auto", memory_format="auto",
        compile="auto", augmentations="", torch="2.15",
    )  # fmt: skip
    return RunMeasurement(
        key=key, choice=choice, source=source, measured_at="2026-01-02T03:04:05.000000Z",
        train_images_per_s=images_per_s, peak_ram_mb=500.0,
    )  # fmt: skip


@dataclass
class FakeMachine:
    """A clock, and steps whose time `seconds_per_image` says; an entry that is a text is an error."""

    seconds_per_image: Callable[[Arithmetic], float | str]
    memory_mb: Callable[[Arithmetic], float] = lambda arithmetic: float(arithmetic.micro_batch_size)
    limit_mb: float = math.inf
    now_s: float = 100.0
    tried: list[Arithmetic] = field(default_factory=list)

    def clock(self) -> float:
        return self.now_s

    def measure(self, arithmetic: Arithmetic, max_steps: int, limit_s: float, give_up_s: float = math.inf) -> Measured:
        """Pretend to train: a step to warm up, then as the real one as many as the limit allows."""
        self.tried.append(arithmetic)
        seconds = self.seconds_per_image(arithmetic)
        if isinstance(seconds, str):
            return Measured(Candidate(arithmetic=arithmetic, error=seconds))
        if self.memory_mb(arithmetic) > self.limit_mb:
            return Measured(Candidate(arithmetic=arithmetic, error="out of memory"), is_out_of_memory=True)
        step_s = seconds * arithmetic.batch_size
        timed = 0 if step_s > give_up_s else max(1, min(max_steps, int(limit_s / step_s) - 1 if limit_s < 1e9 else 5))
        first_s = 30.0 if arithmetic.is_compiled else step_s
        self.now_s += first_s + timed * step_s
        candidate = Candidate(
            arithmetic=arithmetic,
            step_s=step_s,
            images_per_s=1.0 / seconds,
            peak_memory_mb=self.memory_mb(arithmetic),
        )
        return Measured(candidate, first_s)
