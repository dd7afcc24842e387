"""Choosing by measuring: on a machine whose speed is a table, and once on a real model that must not change."""

from __future__ import annotations

import copy
import math
import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from app.schemas.arithmetic import Arithmetic, ArithmeticChoice
from app.schemas.job_context import JobCancelled
from app.training import probing
from app.training.arithmetic import ArithmeticRequest
from app.training.hardware import Capabilities
from app.training.probing import Probe, find_micro_batch_size, probe_arithmetic
from app.training.step_timer import StepTimer
from tests.training.arithmetics import ONE_GPU, FakeMachine, make_arithmetic, make_request
from tests.training.fakes import TinyNet

WITH_COMPILER = Capabilities((), has_bf16=False, has_cpp_compiler=True)


def seconds(arithmetic: Arithmetic) -> float:
    """A processor on which bf16 is twice as fast; a step has no fixed cost."""
    return 0.005 if arithmetic.precision == "bf16-mixed" else 0.01


def choose(machine: FakeMachine, request: ArithmeticRequest, budget_s: float | None = None) -> ArithmeticChoice:
    free_mb = machine.limit_mb
    return Probe(request, machine.measure, lambda *_: None, free_mb, budget_s, machine.clock).choose()


def test_the_fastest_is_chosen_and_its_figures_are_kept() -> None:
    machine = FakeMachine(seconds)
    found = choose(machine, make_request())
    assert found.chosen == make_arithmetic(precision="bf16-mixed", memory_format="channels_last")
    assert found.source == "probe"
    assert "bf16-mixed, channels_last, fused optimizer, batch 32: 200 images/s, against 100" in found.reason
    # bf16 won by so much that the other order of 32-bit pixels was not tried.
    assert len(found.candidates) == 4
    assert found.probe_s == pytest.approx(machine.now_s - 100.0, abs=1e-3)


def test_long_steps_are_compared_on_few_images() -> None:
    machine = FakeMachine(lambda arithmetic: 10 * seconds(arithmetic))
    found = choose(machine, make_request())
    assert {arithmetic.batch_size for arithmetic in machine.tried} == {8}
    assert found.chosen.batch_size == found.chosen.micro_batch_size == 32
    assert "Compared on 8 images a step, because a step of 32 takes about 3.2 s." in found.reason


def test_the_cost_stays_within_its_share_of_the_run() -> None:
    for num_steps in (40, 100, 300, 1000):
        machine = FakeMachine(lambda _: 0.1)
        found = choose(machine, make_request(num_steps=num_steps))
        run_s = num_steps * 3.2
        assert found.probe_s <= max(0.08 * run_s, 2 * 0.8) + 0.8
        assert found.chosen == make_arithmetic()


def test_a_run_that_turns_out_short_takes_the_default_and_says_so() -> None:
    machine = FakeMachine(seconds)
    found = choose(machine, make_request(num_steps=36), budget_s=0.1)
    assert found.source == "default"
    assert found.chosen == make_arithmetic()
    assert "too short to compare: it is predicted to take 12 s" in found.reason


def test_a_step_that_was_disturbed_is_measured_again() -> None:
    machine = FakeMachine(seconds)

    def disturbed(arithmetic: Arithmetic) -> float:
        is_first = machine.tried.count(arithmetic) == 1 and arithmetic.precision == "bf16-mixed"
        return seconds(arithmetic) * (2.2 if is_first else 1.0)

    machine.seconds_per_image = disturbed
    found = choose(machine, make_request())
    assert found.chosen.precision == "bf16-mixed"
    assert len(found.candidates) == len({candidate.arithmetic for candidate in found.candidates}) == 5
    figures = {candidate.arithmetic: candidate.images_per_s for candidate in found.candidates}
    assert figures[found.chosen] == pytest.approx(200.0)


@pytest.mark.parametrize("num_steps", [50, 90, 110, 150, 300])
def test_a_lead_that_noise_may_explain_is_looked_at_again_however_short_the_run_is(num_steps: int) -> None:
    machine = FakeMachine(seconds)

    def disturbed(arithmetic: Arithmetic) -> float:
        is_first = machine.tried.count(arithmetic) == 1 and arithmetic.precision == "bf16-mixed"
        return seconds(arithmetic) * (1.6 if is_first else 1.0)

    machine.seconds_per_image = disturbed
    found = choose(machine, make_request(num_steps=num_steps))
    assert found.chosen.precision == "bf16-mixed"
    assert found.probe_s <= 0.16 * num_steps * 0.32


def test_what_fails_is_recorded_and_not_chosen() -> None:
    machine = FakeMachine(lambda item: "no bf16 here" if item.precision == "bf16-mixed" else 0.01)
    found = choose(machine, make_request())
    assert found.chosen.precision == "32-true"
    errors = [candidate.error for candidate in found.candidates if candidate.error]
    assert errors == ["no bf16 here"]
    nothing = choose(FakeMachine(lambda _: "broken"), make_request())
    assert (nothing.source, nothing.chosen) == ("default", make_arithmetic())
    assert "could not be measured, so it was kept: broken" in nothing.reason


def test_a_small_gain_does_not_change_the_default() -> None:
    machine = FakeMachine(lambda item: 0.0097 if item.memory_format == "contiguous" else 0.01)
    found = choose(machine, make_request())
    assert found.chosen == make_arithmetic()
    assert "Nothing was 5% faster than the default, 100 images/s." in found.reason


@pytest.mark.parametrize(
    "settings",
    [{"precision": "32"}, {"memory_format": "contiguous"}, {"fused_optimizer": "on"}, {"fused_optimizer": "off"}],
)
def test_only_what_is_open_is_tried(settings: dict[str, str]) -> None:
    machine = FakeMachine(seconds)
    choose(machine, make_request(settings=settings))
    names = {"precision": "precision", "memory_format": "memory_format", "fused_optimizer": "is_optimizer_fused"}
    values = {"32": "32-true", "on": True, "off": False}
    (name, value), *_ = settings.items()
    assert {getattr(item, names[name]) for item in machine.tried} == {values.get(value, value)}
    assert len(machine.tried) >= 3


def test_compiling_has_to_pay_for_itself() -> None:
    for gain, is_compiled in ((2.0, True), (1.08, True), (1.06, False), (1.04, False)):
        machine = FakeMachine(lambda item, gain=gain: 0.01 / (gain if item.is_compiled else 1.0))  # type: ignore[misc]
        found = choose(machine, make_request(WITH_COMPILER, num_steps=6000))
        assert any(item.is_compiled for item in machine.tried)
        assert found.chosen.is_compiled is is_compiled


def test_batches_grow_while_that_is_faster_and_fits() -> None:
    request = make_request(auto_batch_size=True)
    machine = FakeMachine(lambda item: 0.001 + 0.1 / item.batch_size)
    assert choose(machine, request, budget_s=60.0).chosen.batch_size == 256
    machine = FakeMachine(lambda item: 0.001 + 0.1 / min(item.batch_size, 64))
    assert choose(machine, request, budget_s=60.0).chosen.batch_size == 64
    machine = FakeMachine(lambda item: 0.001 + 0.1 / item.batch_size, limit_mb=100.0)
    found = choose(machine, request, budget_s=60.0)
    assert found.chosen.batch_size == 64
    assert "A batch of 128 would need more memory than there is." in found.reason


def test_a_batch_that_does_not_fit_is_computed_in_parts() -> None:
    machine = FakeMachine(seconds, limit_mb=20.0)
    assert find_micro_batch_size(machine.measure, make_arithmetic()) == 16
    found = choose(machine, make_request(ONE_GPU))
    assert (found.chosen.batch_size, found.chosen.micro_batch_size) == (32, 16)
    assert "so 16 images are computed at once" in found.reason
    machine = FakeMachine(lambda _: 0.1)
    machine.limit_mb = 20.0
    assert choose(machine, make_request()).chosen.micro_batch_size == 16


def tiny_batch() -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(3)
    images = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8)
    return TinyNet(3, 0.5), images, torch.arange(5) % 3


def read_generators() -> list[Any]:
    numbers: Any = np.random.get_state(legacy=True)
    return [torch.get_rng_state().tolist(), random.getstate(), numbers[0], list(numbers[1]), numbers[2:]]


@pytest.mark.parametrize("is_deterministic", [False, True])
def test_a_probe_leaves_model_and_generators_as_they_were(
    is_deterministic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "DECISIVE", math.inf)  # real steps decide nothing about which candidates are tried
    model, images, targets = tiny_batch()
    before, mode = copy.deepcopy(model.state_dict()), model.training
    generators = read_generators()
    said: list[str] = []
    request = make_request(batch_size=8, deterministic=is_deterministic, ema=True, gradient_clip=1.0)
    found = probe_arithmetic(
        request,
        model,
        images,
        targets,
        budget_s=60.0,
        report=lambda *progress: said.append(" ".join(map(str, progress))),
    )
    assert found.source == "probe"
    assert len(found.candidates) == 4
    assert [candidate.error for candidate in found.candidates] == [""] * 4
    assert said[0] == "0 4 Measuring 32-true, channels_last, fused optimizer, batch 8"
    after = model.state_dict()
    assert len(after) == 9
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert (model.training, read_generators()) == (mode, generators)
    assert not any(parameter.grad is not None for parameter in model.parameters())
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_probe_is_cancelled_between_steps() -> None:
    model, images, targets = tiny_batch()
    generators, asked = read_generators(), []

    def check() -> None:
        asked.append(1)
        if len(asked) == 3:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        probe_arithmetic(make_request(batch_size=8), model, images, targets, check=check, budget_s=60.0)
    assert read_generators() == generators


class Picky(TinyNet):
    """Refuses what a machine may refuse, or learns nothing finite."""

    def __init__(self, problem: str) -> None:
        super().__init__(3, 0.0)
        self.problem = problem

    def loss(self, images: Tensor, targets: Tensor) -> Any:
        if self.problem == "memory":
            raise torch.OutOfMemoryError
        if self.problem == "operation":
            msg = "not implemented for this type\nand more"
            raise RuntimeError(msg)
        loss, outputs = super().loss(images, targets)
        return loss * float("nan"), outputs


@pytest.mark.parametrize(
    ("problem", "error", "is_out_of_memory"),
    [
        ("memory", "OutOfMemoryError: ", True),
        ("operation", "RuntimeError: not implemented for this type", False),
        ("loss", "The loss is infinite or not a number in this arithmetic.", False),
    ],
)
def test_a_step_that_fails_is_a_finding(problem: str, error: str, is_out_of_memory: bool) -> None:
    _, images, targets = tiny_batch()
    timer = StepTimer(Picky(problem), images, targets, torch.device("cpu"), make_request().hyperparameters)
    found = timer.measure(make_arithmetic(batch_size=4, micro_batch_size=4), 2, 1.0)
    assert (found.candidate.error, found.is_out_of_memory) == (error, is_out_of_memory)
    assert found.images_per_s == 0.0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_is_probed_without_a_trace() -> None:
    model, images, targets = tiny_batch()
    before, generator = copy.deepcopy(model.state_dict()), torch.cuda.get_rng_state_all()
    found = probe_arithmetic(make_request(ONE_GPU, batch_size=16), model, images, targets, budget_s=10.0)
    assert [candidate.error for candidate in found.candidates] == [""] * len(found.candidates)
    assert all(candidate.peak_memory_mb for candidate in found.candidates)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(torch.equal(*pair) for pair in zip(generator, torch.cuda.get_rng_state_all(), strict=True))
