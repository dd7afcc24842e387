"""Settings that were changed between a pause and the resumption."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from app.schemas.events import EpochFinished, LogLine, RunConfigResolved
from app.schemas.hyperparameters import Hyperparameters
from app.schemas.job_context import JobFailure
from app.training.checkpoints.changed_settings import (
    accept_changes,
    continue_gradients,
    count_steps,
    describe_changes,
    find_changes,
)
from app.training.lightning_module import StepPlan
from app.training.state import RunState
from tests.training.fakes import FakeContext, Workplace, command_after, load_checkpoint, run_fake

BATCHES, VALIDATION_BATCHES = 6, 3
AFTER_ONE_EPOCH = BATCHES + VALIDATION_BATCHES + 2
SETTINGS: dict[str, Any] = {"max_epochs": 4, "scheduler": "cosine", "warmup_epochs": 0, "optimizer": "sgd"}


def pause(workplace: Workplace, batches: int = AFTER_ONE_EPOCH, **changes: Any) -> FakeContext:
    """Return the context of a run that was paused after so many questions for a command."""
    payload = workplace.payload(SETTINGS | changes)
    context = workplace.context("run", payload)
    context.decide = command_after(batches, "pause")
    assert run_fake(context, payload)["outcome"] == "paused"
    return context


def resume(workplace: Workplace, **changes: Any) -> FakeContext:
    """Return the context of the same run, gone on to its end with other settings."""
    last = str(workplace.root / "run/checkpoints/last.ckpt")
    payload = workplace.payload(SETTINGS | changes, resume_from=last, recorded_epochs=1)
    context = workplace.context("run", payload)
    run_fake(context, payload)
    return context


def rates_of(context: FakeContext) -> list[float]:
    """Return the learning rate at the end of each epoch that was reported."""
    return [event.metrics.lr for event in context.of(EpochFinished) if event.metrics.lr is not None]


def logged(context: FakeContext) -> list[str]:
    return [event.text for event in context.of(LogLine) if event.text.startswith("Changed since")]


def group_of(workplace: Workplace) -> dict[str, Any]:
    [group] = load_checkpoint(workplace.root / "run")["resume"]["optimizer"]["param_groups"]
    assert isinstance(group, dict)
    return group


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"learning_rate": 0.002}, id="another rate"),
        pytest.param({"max_epochs": 7}, id="more epochs"),
        pytest.param({"scheduler": "poly", "poly_power": 2.0}, id="another schedule"),
        pytest.param({"batch_multiplier": 2}, id="other steps"),
        pytest.param({"warmup_epochs": 2, "learning_rate": 0.05}, id="a warm-up"),
    ],
)
def test_the_rate_goes_on_as_if_it_had_been_so_from_the_start(workplace: Workplace, changes: dict[str, Any]) -> None:
    pause(workplace)
    resumed = resume(workplace, **changes)
    payload = workplace.payload(SETTINGS | changes)
    whole = workplace.context("whole", payload)
    run_fake(whole, payload)
    assert rates_of(resumed) == rates_of(whole)[1:]
    assert len(rates_of(resumed)) == (SETTINGS | changes)["max_epochs"] - 1
    if (SETTINGS | changes)["warmup_epochs"] == 0:
        assert rates_of(resumed) == sorted(rates_of(resumed), reverse=True)
    [line] = logged(resumed)
    assert all(name in line for name in changes)
    [record] = [event.resolved for event in resumed.of(RunConfigResolved)]
    assert all(record["hyperparameters"][name] == value for name, value in changes.items())


def test_decay_and_momentum_apply_and_the_rate_does_not_move(workplace: Workplace) -> None:
    pause(workplace)
    resumed = resume(workplace, weight_decay=0.25, momentum=0.5)
    assert (group_of(workplace)["weight_decay"], group_of(workplace)["momentum"]) == (0.25, 0.5)
    [line] = logged(resumed)
    assert "weight_decay 0.0001 then, 0.25 now" in line
    assert "momentum 0.9 then, 0.5 now" in line
    payload = workplace.payload(SETTINGS)
    whole = workplace.context("whole", payload)
    run_fake(whole, payload)
    assert rates_of(resumed) == rates_of(whole)[1:]


def test_gradients_of_a_half_done_step_are_left_out_when_steps_are_other_ones(workplace: Workplace) -> None:
    pause(workplace, AFTER_ONE_EPOCH + 1, batch_multiplier=4)
    saved = load_checkpoint(workplace.root / "run")["resume"]
    assert saved["gradients"] is not None
    taken: list[Any] = []
    module: Any = SimpleNamespace(plan=SimpleNamespace(), set_gradients=taken.append)
    module.plan.hyperparameters = Hyperparameters(**saved["hyperparameters"] | {"batch_multiplier": 2})
    continue_gradients(module, saved)
    assert taken == []
    module.plan.hyperparameters = Hyperparameters(**saved["hyperparameters"])
    continue_gradients(module, saved)
    assert len(taken) == 1
    assert "unfinished step are discarded" in logged(resume(workplace, batch_multiplier=2))[0]


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_another_optimizer_is_refused_with_the_reason(workplace: Workplace, optimizer: str) -> None:
    paused = pause(workplace)
    before = (paused.output_dir / "checkpoints/last.ckpt").read_bytes()
    with pytest.raises(JobFailure, match=f"sgd then, {optimizer} now.*Set the optimizer to sgd.*fork") as caught:
        resume(workplace, optimizer=optimizer)
    assert caught.value.kind == "ResumeRefused"
    assert (paused.output_dir / "checkpoints/last.ckpt").read_bytes() == before


def test_what_has_no_meaning_is_not_called_a_change_and_changes_nothing(workplace: Workplace) -> None:
    pause(workplace, optimizer="adam")
    resumed = resume(workplace, optimizer="adam", momentum=0.1, poly_power=3.0, gamma=0.5, step_size=2)
    assert logged(resumed) == []
    payload = workplace.payload(SETTINGS | {"optimizer": "adam"})
    run_fake(workplace.context("whole", payload), payload)
    weights = [load_checkpoint(workplace.root / name)["state_dict"] for name in ("run", "whole")]
    assert len(weights[0]) > 3
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_a_change_there_and_back_is_none(workplace: Workplace) -> None:
    """Pausing with other settings and resuming with the first ones says what changed each time."""
    pause(workplace)
    last = str(workplace.root / "run/checkpoints/last.ckpt")
    payload = workplace.payload(SETTINGS | {"learning_rate": 0.002}, resume_from=last, recorded_epochs=1)
    context = workplace.context("run", payload)
    context.decide = command_after(3, "pause")
    assert run_fake(context, payload)["outcome"] == "paused"
    assert "learning_rate 0.02 then, 0.002 now" in logged(context)[0]
    assert "learning_rate 0.002 then, 0.02 now" in logged(resume(workplace))[0]


def test_a_rate_that_the_user_lowered_is_taken_as_it_is() -> None:
    state = RunState(rate_scale=0.0625, rollbacks=2)
    accept_changes(state, {})
    assert (state.rate_scale, state.rollbacks) == (0.0625, 2)
    accept_changes(state, {"gradient_clip": (0.0, 1.0)})
    assert (state.rate_scale, state.rollbacks) == (0.0625, 0)
    accept_changes(state, {"learning_rate": (0.1, 0.01)})
    assert (state.rate_scale, state.rollbacks) == (1.0, 0)


def test_a_run_whose_loss_was_lost_goes_on_with_the_rate_that_it_is_given(workplace: Workplace) -> None:
    pause(workplace)
    path = workplace.root / "run/checkpoints/last.ckpt"
    content = load_checkpoint(workplace.root / "run")
    content["resume"]["state"] |= {"rate_scale": 0.0625, "rollbacks": 2}
    torch.save(content, path)
    resumed = resume(workplace, learning_rate=0.002)
    assert rates_of(resumed)[0] == pytest.approx(0.002, rel=0.6)
    assert load_checkpoint(workplace.root / "run")["resume"]["state"]["rate_scale"] == 1.0


@pytest.mark.parametrize(
    ("epoch", "batch", "expected"), [(1, 0, 0), (1, 3, 1), (1, 4, 2), (2, 0, 4), (2, 7, 8), (3, 1, 8)]
)
def test_steps_up_to_a_position(epoch: int, batch: int, expected: int) -> None:
    plan = StepPlan(Hyperparameters(batch_multiplier=2), batches_per_epoch=7)
    assert count_steps(plan, RunState(epoch=epoch, batch=batch)) == expected


def test_steps_are_those_that_a_run_took(workplace: Workplace) -> None:
    pause(workplace, batch_multiplier=4)
    resume_state = load_checkpoint(workplace.root / "run")["resume"]["state"]
    state = RunState.from_json(resume_state)
    plan = StepPlan(Hyperparameters(batch_multiplier=4), BATCHES)
    assert count_steps(plan, state) == state.optimizer_steps > 0


def test_a_checkpoint_without_settings_counts_as_unchanged() -> None:
    assert find_changes({}, Hyperparameters()) == {}


def test_values_are_named_as_a_user_reads_them() -> None:
    changes = {"ema": (False, True), "milestones": ([3, 4], [5]), "learning_rate": (0.1, 1e-5), "loss": ("a", "b")}
    words = describe_changes(changes)
    assert "ema off then, on now; milestones 3, 4 then, 5 now; learning_rate 0.1 then, 1e-05 now; loss a" in words
    assert "from the start" in words
    assert "from the start" not in describe_changes({"gradient_clip": (0.0, 1.0)})
