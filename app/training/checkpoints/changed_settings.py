"""Hyperparameters that differ between a checkpoint and the run that goes on from it: what is refused, what applies.

Unchanged settings are not touched, so that a run goes on to the bit. Changed ones apply from here on; the learning
rate goes on as if its settings had been so from the start, and what the optimizer has learned is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.schemas.hyperparameters import Hyperparameters
from app.schemas.job_context import JobFailure
from app.training.checkpoints.optimizer_packing import unpack_optimizer
from app.training.lightning_module import StepPlan, TrainingModule
from app.training.optimization import scale_rates
from app.training.state import RunState

Changes = Mapping[str, tuple[Any, Any]]
"""Names of hyperparameters with their values then and now."""

_OF_THE_RATE = {
    "learning_rate", "scheduler", "warmup_epochs", "step_size", "milestones", "gamma", "poly_power", "max_epochs",
    "batch_multiplier",
}  # fmt: skip
_OF_THE_GROUPS = ("weight_decay", "momentum")
# What a setting has no meaning without.
_NEEDS = {
    "momentum": ("optimizer", {"sgd"}),
    "step_size": ("scheduler", {"step"}),
    "milestones": ("scheduler", {"multistep"}),
    "gamma": ("scheduler", {"step", "multistep"}),
    "poly_power": ("scheduler", {"poly"}),
    "checkpoint_class": ("checkpoint_metric", {"val_class_recall"}),
}


def find_changes(saved: Mapping[str, Any], hyperparameters: Hyperparameters) -> Changes:
    """Return what differs and has a meaning now; `saved` is what a checkpoint holds under `resume`."""
    then, present = saved.get("hyperparameters", {}), hyperparameters.model_dump(mode="json")
    changed = {name: (then[name], now) for name, now in present.items() if name in then and then[name] != now}
    return {name: values for name, values in changed.items() if _has_meaning(name, present)}


def check_optimizer(saved: Mapping[str, Any], changes: Changes) -> None:
    """Raise JobFailure when the state of the checkpoint's optimizer means nothing to the present one."""
    if "optimizer" not in changes or saved["optimizer"] is None:
        return
    then, now = changes["optimizer"]
    msg = (
        f"This run cannot be resumed, because its optimizer changed since the checkpoint: {then} then, {now} now. What "
        f"{then} remembers of its steps means nothing to {now}. Set the optimizer to {then} to resume; to train with "
        f"{now}, fork the experiment on the Training page, which keeps the weights, or restart it."
    )
    raise JobFailure(msg, "ResumeRefused")


def accept_changes(state: RunState, changes: Changes) -> None:
    """Let a run whose settings were changed try again: a new learning rate is not scaled by what broke before."""
    if changes:
        state.rollbacks = 0
    if "learning_rate" in changes:
        state.rate_scale = 1.0
    if "checkpoint_class" in changes:
        # The best so far was found by the recall of another class; the next epoch is the first to be compared.
        state.best_epoch, state.best_value, state.best_metric = None, None, {}


def describe_changes(changes: Changes) -> str:
    """Return a sentence for the log."""
    named = "; ".join(f"{name} {_show(then)} then, {_show(now)} now" for name, (then, now) in changes.items())
    words = f"Changed since the checkpoint, and applied from here on: {named}."
    if changes.keys() & _OF_THE_RATE:
        words += " The learning rate continues as if this had been set from the start."
    if "batch_multiplier" in changes:
        words += " Gradients of an unfinished step are discarded."
    return words


def continue_optimizer(module: TrainingModule, saved: Mapping[str, Any]) -> None:
    """Give optimizer and schedule the state of a checkpoint, with the present settings where those were changed.

    A state of the run with a smaller step than the checkpoint's makes all further steps smaller.
    """
    optimizer, schedule = module.optimizer, module.schedule
    # A run that was paused before its first step has neither.
    if optimizer is None or schedule is None or saved["optimizer"] is None:
        return
    changes = find_changes(saved, module.plan.hyperparameters)
    present = [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
    optimizer_state = unpack_optimizer(saved["optimizer"])
    for group in optimizer_state["param_groups"]:
        # Resumed in the arithmetic that was chosen now, which can be another one.
        group["fused"] = module.arithmetic.is_optimizer_fused or None
    optimizer.load_state_dict(optimizer_state)
    if changes.keys() & _OF_THE_RATE:
        for group, new in zip(optimizer.param_groups, present, strict=True):
            group.update(new)
        for _ in range(count_steps(module.plan, module.run_state)):
            schedule.step()
        return
    for group, new in zip(optimizer.param_groups, present, strict=True):
        group.update({name: new[name] for name in _OF_THE_GROUPS if name in changes and name in new})
    schedule.load_state_dict(saved["schedule"])
    factor = module.run_state.rate_scale / float(saved["state"].get("rate_scale", 1.0))
    if factor != 1.0:
        scale_rates(optimizer, schedule, factor)


def continue_gradients(module: TrainingModule, saved: Mapping[str, Any]) -> None:
    """Continue a half-done accumulation; with another number of batches to a step it begins anew."""
    has_same_steps = "batch_multiplier" not in find_changes(saved, module.plan.hyperparameters)
    if saved["gradients"] is not None and has_same_steps:
        module.set_gradients(saved["gradients"])


def count_steps(plan: StepPlan, state: RunState) -> int:
    """Return the optimizer steps up to the position of a run, had its present settings always been so."""
    is_over = state.batch == plan.batches_per_epoch
    in_epoch = plan.steps_per_epoch if is_over else state.batch // plan.batches_per_step
    return state.epochs_done * plan.steps_per_epoch + in_epoch


def _has_meaning(name: str, present: Mapping[str, Any]) -> bool:
    if name not in _NEEDS:
        return True
    setting, allowed = _NEEDS[name]
    return present[setting] in allowed


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
