"""Choosing by measuring: on a machine whose speed is a table, and once on a real model that must not change."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from app.schemas.arithmetic import Arithmetic, ArithmeticChoice
from app.schemas.job_context import JobCancelled
from app.training.arithmetic import probing
from app.training.arithmetic.hardware import MachineCapabilities
from app.training.arithmetic.probing import Probe, find_micro_batch_size, probe_arithmetic
from app.training.arithmetic.rules import ArithmeticRequest
from app.training.arithmetic.step_timer import StepTimer
from tests.training.arithmetics import ONE_GPU, FakeMachine, make_arithmetic, make_request
from tests.training.fakes import TinyNet

WITH_COMPILER = MachineCapabilities((), has_bf16=False, has_cpp_compiler=True)


GROWING: dict[str, Any] = {"auto_batch_size": True}


def seconds(_: Arithmetic) -> float:
    """A processor on which each image takes the same; a step has no fixed cost."""
    return 0.01


def choose(machine: FakeMachine, request: ArithmeticRequest, budget_s: float | None = None) -> ArithmeticChoice:
    ram_mb = 2 * machine.limit_mb
    request = replace(request, capabilities=replace(request.capabilities, ram_mb=ram_mb), pixels=224 * 224)
    return Probe(request, machine.measure, lambda *_: None, budget_s, machine.clock).choose()


def test_the_arithmetic_of_the_rule_is_measured_and_kept() -> None:
    machine = FakeMachine(seconds)
    found = choose(machine, make_request())
    assert (found.chosen, found.source) == (make_arithmetic(), "probe")
    assert {(item.precision, item.memory_format, item.is_optimizer_fused) for item in machine.tried} == {
        ("32-true", "channels_last", True)
    }
    assert [candidate.images_per_s for candidate in found.candidates] == [pytest.approx(100.0)] * 2
    assert found.probe_s == pytest.approx(machine.now_s - 100.0, abs=1e-3)


def test_long_steps_are_measured_on_few_images() -> None:
    machine = FakeMachine(lambda arithmetic: 10 * seconds(arithmetic))
    found = choose(machine, make_request())
    assert {arithmetic.batch_size for arithmetic in machine.tried} == {8}
    assert found.chosen.batch_size == found.chosen.micro_batch_size == 32
    assert "Compared with batches of 8 images, because a step with 32 takes about 3.2 s." in found.reason


def test_the_cost_stays_within_its_share_of_the_run() -> None:
    for num_steps in (40, 100, 300, 1000):
        machine = FakeMachine(lambda _: 0.1)
        found = choose(machine, make_request(num_steps=num_steps))
        assert found.probe_s <= max(0.08 * num_steps * 3.2, 2 * 0.8) + 0.8
        assert found.chosen == make_arithmetic()


def test_what_fails_leaves_the_rule() -> None:
    nothing = choose(FakeMachine(lambda _: "broken"), make_request())
    assert (nothing.source, nothing.chosen) == ("default", make_arithmetic())
    assert "could not be measured, so it was kept: broken" in nothing.reason


def test_compiling_has_to_pay_for_itself_by_a_clear_lead() -> None:
    for gain, is_compiled in ((2.0, True), (1.16, True), (1.14, False), (1.04, False)):
        machine = FakeMachine(lambda item, gain=gain: 0.01 / (gain if item.is_compiled else 1.0))  # type: ignore[misc]
        found = choose(machine, make_request(WITH_COMPILER, num_steps=10_000))
        assert any(item.is_compiled for item in machine.tried)
        assert found.chosen.is_compiled is is_compiled


def test_a_lead_that_further_turns_do_not_show_is_none() -> None:
    machine = FakeMachine(seconds)

    def disturbed(item: Arithmetic) -> float:
        return 0.005 if item.batch_size == 64 and machine.tried.count(item) == 1 else 0.01

    machine.seconds_per_image = disturbed
    assert choose(machine, make_request(**GROWING), budget_s=60.0).chosen.batch_size == 32
    assert machine.tried.count(make_arithmetic(batch_size=64, micro_batch_size=64)) == 1 + probing.TURNS


def test_other_work_falls_on_both_of_a_turn_and_decides_nothing() -> None:
    machine = FakeMachine(lambda _: 0.01)
    # Everything becomes slower and faster by a factor of five while it is measured, in turns and between them.
    machine.seconds_per_image = lambda _: 0.01 * (1.0 if int(machine.now_s) % 2 else 5.0)
    for _ in range(5):
        assert choose(machine, make_request(**GROWING), budget_s=600.0).chosen.batch_size == 32


def test_batches_grow_while_that_is_faster_and_fits() -> None:
    request = make_request(**GROWING)
    machine = FakeMachine(lambda item: 0.001 + 0.3 / item.batch_size)
    assert choose(machine, request, budget_s=60.0).chosen.batch_size == 256
    machine = FakeMachine(lambda item: 0.001 + 0.3 / min(item.batch_size, 64))
    assert choose(machine, request, budget_s=60.0).chosen.batch_size == 64
    machine = FakeMachine(lambda item: 0.001 + 0.3 / item.batch_size, limit_mb=100.0)
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
def test_a_probe_leaves_model_and_generators_as_they_were(is_deterministic: bool) -> None:
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
    assert [candidate.error for candidate in found.candidates] == [""]
    assert said[0] == "0 1 Measuring 32 bit, channels_last, fused optimizer, batch 8"
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
