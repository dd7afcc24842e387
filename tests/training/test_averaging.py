"""The average of the weights: its numbers, its memory, and that the host waits for nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from app.schemas.hyperparameters import Hyperparameters
from app.training.averaging import EMA_DECAY, WeightAverage
from app.training.lightning_module import StepPlan, TrainingModule
from app.training.state import RunState
from tests.training.arithmetics import make_arithmetic
from tests.training.fakes import TinyNet


def change(model: nn.Module, seed: int) -> None:
    """Give a model other weights and statistics."""
    generator = torch.Generator().manual_seed(seed)
    for value in [*model.parameters(), *model.buffers()]:
        is_float = value.is_floating_point()
        value.data = torch.rand(value.shape, generator=generator) if is_float else torch.tensor(seed)


def average_as_torch(steps: list[int]) -> AveragedModel:
    """Return torch's average, with the decay of the n-th step."""

    def move(averaged: Any, current: Any, _count: Any) -> None:
        decay = min(EMA_DECAY, (1 + steps[0]) / (10 + steps[0]))
        for average, value in zip(averaged, current, strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1.0 - decay)
            else:
                average.copy_(value)

    return AveragedModel(TinyNet(3, 0.1), multi_avg_fn=move, use_buffers=True)


def test_it_is_torchs_average_to_the_bit() -> None:
    model, steps = TinyNet(3, 0.1), [0]
    own, other = WeightAverage(model), average_as_torch(steps)
    for number in range(1, 40):
        change(model, number)
        steps[0] = number
        own.move_on(model, number)
        other.update_parameters(model)
    found, expected = own.state_dict(), other.state_dict()
    assert list(found) == list(expected)
    assert len(found) > 8
    assert all(torch.equal(value, expected[name]) for name, value in found.items())
    assert int(own.n_averaged) == 39


def test_the_host_reads_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of these would wait for a GPU."""
    model = TinyNet(3, 0.1)
    average = WeightAverage(model)

    def refuse(tensor: Tensor) -> Any:
        raise AssertionError("the device was asked")

    for name in ("__bool__", "__float__", "__int__", "item", "tolist", "cpu"):
        monkeypatch.setattr(Tensor, name, refuse)
    for number in (1, 2, 3):
        average.move_on(model, number)


@pytest.mark.parametrize("has_average", [True, False])
def test_frozen_weights_stay_shared_when_the_module_moves(has_average: bool) -> None:
    model = TinyNet(3, 0.1)
    model.features.requires_grad_(requires_grad=False)
    plan = StepPlan(Hyperparameters(ema=has_average), 4)
    module = TrainingModule(model, plan, RunState(), make_arithmetic())
    before = next(model.parameters()).data_ptr()
    module._apply(lambda tensor: tensor.clone())  # what moving to a device does
    assert next(model.parameters()).data_ptr() != before
    if not has_average:
        assert module.ema_model is None
        return
    assert module.ema_model is not None
    pairs = list(zip(module.ema_model.module.parameters(), model.parameters(), strict=True))
    shared = [average.data_ptr() == parameter.data_ptr() for average, parameter in pairs]
    assert shared == [not parameter.requires_grad for parameter in model.parameters()]
    assert sum(shared) == 4
    assert module.to(torch.float64).dtype == torch.float64
    assert pairs[0][0].data_ptr() == pairs[0][1].data_ptr()
    assert pairs[0][0].dtype == torch.float64
