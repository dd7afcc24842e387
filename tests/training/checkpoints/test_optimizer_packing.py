"""Packing loses nothing: what is unpacked from a file is what the optimizer itself saves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from app.schemas.hyperparameters import Hyperparameters
from app.training.checkpoints.optimizer_packing import PACKED_KEY, pack_optimizer, unpack_optimizer
from app.training.optimization import build_optimizer


def settings(name: Any, momentum: float = 0.9) -> Hyperparameters:
    return Hyperparameters(optimizer=name, learning_rate=0.01, weight_decay=0.01, momentum=momentum)


def train_steps(name: str, is_fused: bool, momentum: float = 0.9) -> torch.optim.Optimizer:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1), nn.Flatten())
    model.to(memory_format=torch.channels_last)
    model[0].bias.requires_grad_(False)
    optimizer = build_optimizer(model.parameters(), settings(name, momentum), is_fused)
    for _ in range(3):
        model(torch.rand(2, 3, 8, 8)).sum().backward()
        optimizer.step()
    return optimizer


def list_values(state_dict: dict[str, Any]) -> dict[tuple[int, str], Any]:
    return {(owner, name): value for owner, each in state_dict["state"].items() for name, value in each.items()}


@pytest.mark.parametrize("is_fused", [False, True])
@pytest.mark.parametrize(("name", "count"), [("adam", 15), ("adamw", 15), ("sgd", 5)])
def test_what_was_packed_and_written_is_what_the_optimizer_saved(
    tmp_path: Path, name: str, count: int, is_fused: bool
) -> None:
    expected = train_steps(name, is_fused).state_dict()
    torch.save(pack_optimizer(expected), tmp_path / "x")
    found = unpack_optimizer(torch.load(tmp_path / "x", weights_only=True))
    assert found["param_groups"] == expected["param_groups"]
    values, wanted = list_values(found), list_values(expected)
    assert values.keys() == wanted.keys()
    assert len(values) == count
    for key, value in values.items():
        assert torch.equal(value, wanted[key])
        assert (value.dtype, value.shape, value.stride()) == (
            wanted[key].dtype,
            wanted[key].shape,
            wanted[key].stride(),
        )


def test_only_small_tensors_are_joined_and_the_optimizer_keeps_its_own() -> None:
    optimizer = train_steps("adamw", is_fused=True)
    packed = pack_optimizer(optimizer.state_dict())
    assert sorted(group["name"] for group in packed[PACKED_KEY]) == ["exp_avg", "exp_avg_sq", "step"]
    assert [name for each in packed["state"].values() for name in each] == ["exp_avg", "exp_avg_sq"] * 2
    assert len(list_values(optimizer.state_dict())) == 15


def test_the_state_of_an_older_checkpoint_is_taken_as_it_is() -> None:
    expected = train_steps("adamw", is_fused=False).state_dict()
    found = unpack_optimizer(expected)
    assert all(value is list_values(expected)[key] for key, value in list_values(found).items())
    assert found.keys() == expected.keys()


@pytest.mark.parametrize(("name", "momentum"), [("sgd", 0.0), ("adam", 0.9)])
def test_nothing_to_pack(name: str, momentum: float) -> None:
    optimizer = build_optimizer(nn.Linear(2, 2).parameters(), settings(name, momentum))
    assert unpack_optimizer(pack_optimizer(optimizer.state_dict())) == optimizer.state_dict()
