"""Optimizers and the course of the learning rate."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch.nn import Parameter
from torch.optim import SGD, Adam, AdamW

from app.schemas.hyperparameters import Hyperparameters
from app.training.optimization import build_optimizer, build_schedule, plan_warmup_steps, scale_rates


def settings(**changes: Any) -> Hyperparameters:
    return Hyperparameters(**({"learning_rate": 1.0, "warmup_epochs": 0, "max_epochs": 10} | changes))


def rates(**changes: Any) -> list[float]:
    """Return the rate of each step of a run of ten epochs of two steps."""
    chosen = settings(**changes)
    parameter = Parameter(torch.zeros(1))
    optimizer = build_optimizer([parameter], chosen)
    schedule = build_schedule(optimizer, chosen, 2)
    found = []
    for _ in range(20):
        found.append(float(optimizer.param_groups[0]["lr"]))
        parameter.grad = torch.zeros(1)
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize(("name", "kind"), [("adam", Adam), ("adamw", AdamW), ("sgd", SGD)])
def test_optimizers_take_what_is_trained(name: str, kind: type) -> None:
    frozen = Parameter(torch.zeros(1), requires_grad=False)
    optimizer = build_optimizer([Parameter(torch.zeros(2)), frozen], settings(optimizer=name, weight_decay=0.5))
    assert type(optimizer) is kind
    assert len(optimizer.param_groups[0]["params"]) == 1
    assert optimizer.param_groups[0]["weight_decay"] == 0.5
    assert optimizer.param_groups[0].get("momentum", 0.9) == 0.9


def test_warm_up_rises_in_steps_and_takes_half_of_a_run_at_most() -> None:
    assert rates(scheduler="none", warmup_epochs=2)[:6] == pytest.approx([0.01, 0.2575, 0.505, 0.7525, 1.0, 1.0])
    assert plan_warmup_steps(settings(warmup_epochs=5), 2) == 10
    assert plan_warmup_steps(settings(warmup_epochs=5, max_epochs=3), 2) == 3


def test_cosine_and_poly_fall_to_nothing() -> None:
    for name in ("cosine", "poly"):
        found = rates(scheduler=name, warmup_epochs=2)
        assert found[4] == pytest.approx(1.0)
        assert all(later < earlier for earlier, later in pairwise(found[4:]))
        assert found[-1] < 0.1
    assert rates(scheduler="poly", poly_power=1.0)[10] == pytest.approx(0.5)
    assert rates(scheduler="cosine")[10] == pytest.approx(0.5)


@pytest.mark.parametrize("warmup_epochs", [0, 2])
def test_steps_count_epochs_from_the_start_of_the_run(warmup_epochs: int) -> None:
    found = rates(scheduler="step", step_size=3, warmup_epochs=warmup_epochs)
    assert found[5:8] == pytest.approx([1.0, 0.1, 0.1])
    assert found[11:13] == pytest.approx([0.1, 0.01])
    found = rates(scheduler="multistep", milestones=[4, 6], gamma=0.5, warmup_epochs=warmup_epochs)
    assert found[7:13] == pytest.approx([1.0, 0.5, 0.5, 0.5, 0.5, 0.25])


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_a_fused_step_is_the_same_step(name: str) -> None:
    ends = []
    for is_fused in (False, True):
        torch.manual_seed(0)
        parameter = Parameter(torch.randn(50))
        optimizer = build_optimizer([parameter], settings(optimizer=name, learning_rate=0.1), is_fused)
        assert bool(optimizer.param_groups[0]["fused"]) is is_fused
        for _ in range(3):
            parameter.grad = parameter.detach() ** 2
            optimizer.step()
        ends.append(parameter.detach())
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-5, atol=1e-6)


def course(chosen: Hyperparameters, scaled_at: int | None, is_restored: bool = False) -> list[float]:
    """Return the rate of each of 20 steps; from `scaled_at` on it is halved, perhaps on a restored schedule."""
    parameter = Parameter(torch.zeros(1))
    optimizer = build_optimizer([parameter], chosen)
    schedule = build_schedule(optimizer, chosen, 2)
    found = []
    for step in range(20):
        if step == scaled_at:
            saved = optimizer.state_dict(), schedule.state_dict()
            if is_restored:
                optimizer = build_optimizer([parameter], chosen)
                schedule = build_schedule(optimizer, chosen, 2)
                optimizer.load_state_dict(saved[0])
                schedule.load_state_dict(saved[1])
            scale_rates(optimizer, schedule, 0.5)
        assert schedule.get_last_lr() == [optimizer.param_groups[0]["lr"]]
        found.append(float(optimizer.param_groups[0]["lr"]))
        parameter.grad = torch.zeros(1)
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize("name", ["cosine", "step", "multistep", "poly", "none"])
@pytest.mark.parametrize("warmup_epochs", [0, 3])
@pytest.mark.parametrize("is_restored", [False, True])
def test_scaled_rates_are_a_factor_of_every_later_rate(name: str, warmup_epochs: int, is_restored: bool) -> None:
    chosen = settings(scheduler=name, warmup_epochs=warmup_epochs, step_size=2, milestones=[4, 6])
    plain = course(chosen, None)
    assert len(plain) == 20
    for scaled_at in (0, 2, 5, 6, 7, 13):  # warm-up ends after six steps
        wanted = plain[:scaled_at] + [rate * 0.5 for rate in plain[scaled_at:]]
        assert course(chosen, scaled_at, is_restored) == pytest.approx(wanted, rel=1e-9, abs=1e-15)


def test_scaling_twice_multiplies() -> None:
    parameter = Parameter(torch.zeros(1))
    optimizer = build_optimizer([parameter], settings(scheduler="none"), rate_scale=0.1)
    schedule = build_schedule(optimizer, settings(scheduler="none"), 2)
    scale_rates(optimizer, schedule, 0.5)
    scale_rates(optimizer, schedule, 0.5)
    parameter.grad = torch.zeros(1)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.025)
