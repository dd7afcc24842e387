"""Compilation really happens, in training and in validation, and changes nothing but rounding."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters

from app.schemas.experiments import HardwareSettings
from app.training.arithmetic.hardware import find_cpp_compiler
from tests.training.fakes import SETTLED, Workplace, load_checkpoint, run_fake


@pytest.mark.slow
@pytest.mark.skipif(find_cpp_compiler() is None, reason="torch.compile on the CPU needs a C++ compiler")
def test_a_compiled_run_computes_compiled_and_learns_the_same(workplace: Workplace) -> None:
    weights: dict[str, dict[str, Any]] = {}
    graphs: dict[str, int] = {}
    for name in ("off", "on"):
        torch._dynamo.reset()
        counters.clear()
        hardware = SETTLED.model_copy(update={"compile": name})
        assert isinstance(hardware, HardwareSettings)
        # Without dropout, whose compiled form draws other numbers; adam would make steps of mere rounding.
        payload = workplace.payload({"max_epochs": 2, "optimizer": "sgd"}, {"dropout": 0.0}, hardware=hardware)
        context = workplace.context(name, payload)
        assert run_fake(context, payload)["epochs_done"] == 2
        graphs[name] = counters["stats"]["unique_graphs"]
        content = load_checkpoint(context.output_dir)
        assert content["resume"]["arithmetic"]["is_compiled"] is (name == "on")
        weights[name] = content["state_dict"]
    assert graphs["off"] == 0
    assert graphs["on"] >= 2  # with gradients and without
    assert list(weights["on"]) == list(weights["off"])
    assert len(weights["on"]) > 5
    for key, value in weights["off"].items():
        torch.testing.assert_close(weights["on"][key], value, rtol=1e-3, atol=1e-4)
