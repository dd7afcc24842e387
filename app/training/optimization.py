"""Optimizers, and the learning rate as a function of optimizer steps. Knows no model and no Lightning."""

from __future__ import annotations

from collections.abc import Iterable

from torch.nn import Parameter
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    PolynomialLR,
    SequentialLR,
)

from app.schemas.hyperparameters import Hyperparameters

OPTIMIZERS = ("adam", "adamw", "sgd")
WARMUP_START_FACTOR = 0.01


def build_optimizer(
    parameters: Iterable[Parameter],
    hyperparameters: Hyperparameters,
    is_fused: bool = False,
    rate_scale: float = 1.0,
) -> Optimizer:
    """Return the optimizer over those parameters that are trained; `rate_scale` is a factor of the learning rate.

    Raises RuntimeError when torch cannot update these parameters in one fused operation.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    rate = hyperparameters.learning_rate * rate_scale
    decay = hyperparameters.weight_decay
    # Not False but None, which leaves torch its own choice of a loop.
    fused = True if is_fused else None
    name = hyperparameters.optimizer
    if name == "sgd":
        return SGD(trained, lr=rate, momentum=hyperparameters.momentum, weight_decay=decay, fused=fused)
    if name == "adamw":
        return AdamW(trained, lr=rate, weight_decay=decay, fused=fused)
    return Adam(trained, lr=rate, weight_decay=decay, fused=fused)


def plan_warmup_steps(hyperparameters: Hyperparameters, steps_per_epoch: int) -> int:
    """Return the optimizer steps of warm-up, at most half of the run, so that a short run still reaches its rate."""
    wanted = hyperparameters.warmup_epochs * steps_per_epoch
    return min(wanted, hyperparameters.max_epochs * steps_per_epoch // 2)


def build_schedule(optimizer: Optimizer, hyperparameters: Hyperparameters, steps_per_epoch: int) -> LRScheduler:
    """Return the schedule, to be stepped after each optimizer step.

    The rate rises linearly during warm-up. Epochs in `step_size` and `milestones` count from the start of the run.
    """
    warmup_steps = plan_warmup_steps(hyperparameters, steps_per_epoch)
    decay = _build_decay(optimizer, hyperparameters, steps_per_epoch, warmup_steps)
    if warmup_steps == 0:
        return decay
    warmup = LinearLR(optimizer, start_factor=WARMUP_START_FACTOR, total_iters=warmup_steps)
    return SequentialLR(optimizer, [warmup, decay], milestones=[warmup_steps])


def scale_rates(optimizer: Optimizer, schedule: LRScheduler, factor: float) -> None:
    """Multiply the present rate and every later one by a factor; works on a restored schedule as on a fresh one.

    Schedules of torch compute a rate from the one before it or from the base rate, so both have to follow.
    """
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] * factor
        if "initial_lr" in group:
            group["initial_lr"] = group["initial_lr"] * factor
    for part in _list_parts(schedule):
        for name in ("base_lrs", "_last_lr"):
            if hasattr(part, name):
                setattr(part, name, [rate * factor for rate in getattr(part, name)])


def _list_parts(schedule: LRScheduler) -> list[LRScheduler]:
    parts = [schedule]
    for part in getattr(schedule, "_schedulers", ()):
        parts.extend(_list_parts(part))
    return parts


def _build_decay(
    optimizer: Optimizer, hyperparameters: Hyperparameters, steps_per_epoch: int, warmup_steps: int
) -> LRScheduler:
    max_epochs = hyperparameters.max_epochs
    decay_steps = max(1, max_epochs * steps_per_epoch - warmup_steps)
    name = hyperparameters.scheduler
    if name == "cosine":
        return CosineAnnealingLR(optimizer, T_max=decay_steps)
    if name == "poly":
        return PolynomialLR(optimizer, total_iters=decay_steps, power=hyperparameters.poly_power)
    if name == "none":
        return ConstantLR(optimizer, factor=1.0, total_iters=0)
    step_size = hyperparameters.step_size
    epochs = hyperparameters.milestones if name == "multistep" else range(step_size, max_epochs, step_size)
    milestones = [max(1, epoch * steps_per_epoch - warmup_steps) for epoch in epochs]
    return MultiStepLR(optimizer, milestones=milestones, gamma=hyperparameters.gamma)
