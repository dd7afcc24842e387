"""What the Trainer is told, and what it leaves behind."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.utils.deterministic

from app.schemas.hyperparameters import Hyperparameters
from app.training.arithmetic.hardware import Hardware
from app.training.trainer import lightning_surroundings, plan_trainer


@pytest.mark.parametrize(
    ("hardware", "expected"),
    [
        (Hardware("cpu", 1, ("cpu",), "32-true", "auto"), ("cpu", 1, "auto", "32-true")),
        (Hardware("cuda", (1,), ("A",), "16-mixed", "auto"), ("cuda", [1], "auto", "16-mixed")),
        (Hardware("cuda", (0, 2), ("A", "B"), "bf16-mixed", "ddp"), ("cuda", [0, 2], "ddp", "bf16-mixed")),
    ],
)
def test_the_trainer_is_told_what_runs(tmp_path: Path, hardware: Hardware, expected: tuple[object, ...]) -> None:
    plan = plan_trainer(hardware, Hyperparameters(deterministic=True), tmp_path, 7)
    assert (plan["accelerator"], plan["devices"], plan["strategy"], plan["precision"]) == expected
    assert (plan["max_epochs"], plan["deterministic"], plan["benchmark"]) == (7, True, False)
    assert not any(plan[name] for name in ("logger", "enable_checkpointing", "enable_progress_bar"))


def test_global_switches_are_put_back() -> None:
    level = logging.getLogger("lightning.pytorch").level
    with lightning_surroundings():
        torch.use_deterministic_algorithms(mode=True)
        torch.backends.cudnn.benchmark = True
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.benchmark
    assert logging.getLogger("lightning.pytorch").level == level


@pytest.mark.parametrize(("is_deterministic", "expected"), [(True, ":4096:8"), (False, None)])
def test_a_deterministic_run_tells_cublas_before_anything_is_computed(
    monkeypatch: pytest.MonkeyPatch, is_deterministic: bool, expected: str | None
) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    with lightning_surroundings(is_deterministic):
        assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == expected


def test_new_tensors_are_not_written_over_first() -> None:
    switches: Any = torch.utils.deterministic
    before = switches.fill_uninitialized_memory
    with lightning_surroundings():
        assert switches.fill_uninitialized_memory is False
    assert switches.fill_uninitialized_memory == before
