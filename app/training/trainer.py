"""Builds Lightning's Trainer so that it prints nothing, writes nothing, and does what the settings say."""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.utils.deterministic
from lightning.pytorch import Callback, LightningModule, Trainer

from app.schemas.hyperparameters import Hyperparameters
from app.training.arithmetic.hardware import Hardware

# The module answers to names that its type does not list.
_switches: Any = torch.utils.deterministic

# Lightning's advice to people who write training scripts; none of it applies to what is built here.
_ADVICE = (
    r".*does not have many workers.*",
    r".*`LightningModule.configure_optimizers` returned `None`.*",
    r".*module\(s\) in eval mode at the start of training.*",
    r".*GPU available but not used.*",
    r".*`.*training_step` returned `None`.*",
    r".*Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`.*",
    r".*The epoch parameter in `scheduler.step\(\)` was not necessary.*",
    r".*treespec, LeafSpec.*",
    r".*isinstance\(treespec, LeafSpec\).*",
)


class KeepSignals(Callback):
    """Gives SIGTERM back to the job process, which ends with its whole tree; Lightning would end with code 0."""

    def __init__(self) -> None:
        self._handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lightning has just installed its own handler."""
        if threading.current_thread() is threading.main_thread() and self._handler is not None:
            signal.signal(signal.SIGTERM, self._handler)


def plan_trainer(
    hardware: Hardware, hyperparameters: Hyperparameters, root_dir: Path, num_epochs: int
) -> dict[str, Any]:
    """Return the arguments of the Trainer for what a run really uses."""
    is_deterministic = hyperparameters.deterministic
    return {
        "accelerator": hardware.accelerator,
        "devices": list(hardware.devices) if isinstance(hardware.devices, tuple) else hardware.devices,
        "strategy": hardware.strategy,
        "precision": hardware.precision,
        "max_epochs": num_epochs,
        "deterministic": is_deterministic,
        "benchmark": not is_deterministic,
        "default_root_dir": str(root_dir),
        "use_distributed_sampler": False,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "limit_val_batches": 0,
    }


@contextmanager
def lightning_surroundings(is_deterministic: bool = False) -> Iterator[None]:
    """Silence Lightning's advice, and put back the global switches that a Trainer sets."""
    if is_deterministic:
        # torch looks once, at the first product of matrices on a GPU; a Trainer sets it after features are computed.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    is_warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    had_benchmark = torch.backends.cudnn.benchmark
    was_filled = _switches.fill_uninitialized_memory
    # Deterministic algorithms would else write over each new tensor first, for programs that read what was not written:
    # a tenth of a step on a CPU.
    _switches.fill_uninitialized_memory = False
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in _ADVICE:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        torch.use_deterministic_algorithms(was_deterministic, warn_only=is_warn_only)
        torch.backends.cudnn.benchmark = had_benchmark
        _switches.fill_uninitialized_memory = was_filled
