"""Which settings make a run reproducible, and which contradict that. No torch, no services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.schemas.experiments import HardwareSettings

REPRODUCIBLE = (
    "A reproducible run computes in 32 bit with channels last, a fused optimizer and deterministic operations, not "
    "compiled, and with the chosen batch size."
)
FIXED = {"precision": "32", "memory_format": "channels_last", "fused_optimizer": "on", "compile": "off"}


def is_reproducible(hyperparameters: Mapping[str, Any]) -> bool:
    """Return whether a run asks for what is the same in every run; one of an older version did not."""
    return bool(hyperparameters.get("reproducible", False))


def find_contradictions(hardware: HardwareSettings, hyperparameters: Mapping[str, Any]) -> list[str]:
    """Return the dotted names of settings that a reproducible run cannot obey, none where it is not asked for."""
    if not is_reproducible(hyperparameters):
        return []
    given = hardware.model_dump()
    wrong = [f"hardware.{name}" for name, value in FIXED.items() if given[name] not in {"auto", value}]
    if not hyperparameters.get("deterministic", True):
        wrong.append("hyperparameters.deterministic")
    if hyperparameters.get("auto_batch_size", False):
        wrong.append("hyperparameters.auto_batch_size")
    return wrong
