"""Devices and precision that a run really uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.schemas.experiments import HardwareSettings
from app.schemas.job_context import JobFailure
from app.training.arithmetic.hardware import (
    Hardware,
    MachineCapabilities,
    find_cpp_compiler,
    probe_capabilities,
    resolve_hardware,
)

NO_GPU = MachineCapabilities((), has_bf16=False)
TWO_NEW = MachineCapabilities(("New A", "New B"), has_bf16=True)
ONE_OLD = MachineCapabilities(("Old",), has_bf16=False)


def resolve(capabilities: MachineCapabilities, *devices: str, precision: Any = "auto") -> Any:
    return resolve_hardware(HardwareSettings(selected_devices=list(devices), precision=precision), capabilities)


@pytest.mark.parametrize(
    ("capabilities", "device", "precision", "used"),
    [
        (NO_GPU, "cpu", "auto", "32-true"),
        (TWO_NEW, "cpu", "auto", "32-true"),
        (NO_GPU, "cpu", "bf16-mixed", "bf16-mixed"),
        (TWO_NEW, "gpu:0", "auto", "bf16-mixed"),
        (ONE_OLD, "gpu:0", "auto", "16-mixed"),
        (TWO_NEW, "gpu:0", "16-mixed", "16-mixed"),
        (TWO_NEW, "gpu:1", "32", "32-true"),
    ],
)
def test_precision_is_what_was_chosen_or_what_fits(
    capabilities: MachineCapabilities, device: str, precision: str, used: str
) -> None:
    assert resolve(capabilities, device, precision=precision).precision == used


def test_several_gpus_train_together() -> None:
    found = resolve(TWO_NEW, "gpu:1", "gpu:0", "gpu:1")
    assert (found.accelerator, found.devices, found.strategy, found.num_processes) == ("cuda", (1, 0), "ddp", 2)
    assert found.names == ("New B", "New A")
    assert found.restricted_to_one().devices == (1,)


@pytest.mark.parametrize(
    ("devices", "precision", "message"),
    [
        (["gpu:2"], "auto", "no gpu:2. GPUs here: gpu:0, gpu:1"),
        (["cpu", "gpu:0"], "auto", "not both"),
        (["cpu"], "16-mixed", "needs a GPU"),
    ],
)
def test_what_the_machine_cannot_do_is_refused(devices: list[str], precision: str, message: str) -> None:
    with pytest.raises(JobFailure, match=message):
        resolve(TWO_NEW, *devices, precision=precision)


def test_a_machine_without_gpus_says_so() -> None:
    with pytest.raises(JobFailure, match="GPUs here: none"):
        resolve(NO_GPU, "gpu:0")


def test_a_measured_precision_replaces_the_first_one() -> None:
    found = resolve(TWO_NEW, "gpu:1")
    assert found.with_precision("32-true") == Hardware("cuda", (1,), ("New B",), "32-true", "auto")
    assert str(found.first_device) == "cuda:1"
    assert str(resolve(NO_GPU, "cpu").first_device) == "cpu"


def test_a_compiler_is_looked_for_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compiler = tmp_path / "own-compiler"
    compiler.write_text("#!/bin/sh\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    assert find_cpp_compiler() == str(compiler)
    monkeypatch.setenv("CXX", str(tmp_path / "missing"))
    assert find_cpp_compiler() is None
    assert not probe_capabilities().has_cpp_compiler
