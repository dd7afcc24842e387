"""What may be tried, what it may cost, and who wins. No step is timed here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.schemas.arithmetic import Arithmetic, ArithmeticChoice
from app.schemas.job_context import JobFailure
from app.training.arithmetic.hardware import MachineCapabilities
from app.training.arithmetic.rules import (
    check_request,
    default_arithmetic,
    fit_to_machine,
    is_obeyed,
    is_worth_compiling,
    list_batch_sizes,
    list_compiled,
    may_lack_memory,
    plan_budget_s,
    settle_without_measuring,
    take_known,
)
from tests.training.arithmetics import (
    CPU,
    ONE_GPU,
    TWO_OLD_GPUS,
    make_arithmetic,
    make_candidate,
    make_request,
)

WITH_COMPILER = MachineCapabilities((), has_bf16=False, has_cpp_compiler=True)
NO_CPU_BF16 = MachineCapabilities((), has_bf16=False, has_cpu_bf16=False)
EVERYTHING = {"precision": "32", "memory_format": "contiguous", "fused_optimizer": "off", "compile": "off"}


DENSE: dict[str, Any] = {"pixels": 224 * 224, "is_dense": True}


@pytest.mark.parametrize(
    ("capabilities", "settings", "model", "wanted"),
    [
        (CPU, {}, DENSE, ("bf16-mixed", "channels_last")),
        (CPU, {"memory_format": "channels_last"}, DENSE, ("bf16-mixed", "channels_last")),
        (CPU, {}, DENSE | {"is_dense": False}, ("32-true", "channels_last")),
        (CPU, {}, DENSE | {"pixels": 32 * 32}, ("32-true", "channels_last")),
        (NO_CPU_BF16, {}, DENSE, ("32-true", "channels_last")),
        (CPU, {"precision": "32"}, DENSE, ("32-true", "channels_last")),
        (CPU, {"precision": "bf16-mixed"}, {}, ("bf16-mixed", "channels_last")),
        (CPU, {"precision": "bf16-mixed", "memory_format": "contiguous"}, DENSE, ("bf16-mixed", "contiguous")),
        (CPU, {"memory_format": "contiguous"}, DENSE, ("32-true", "contiguous")),
        (ONE_GPU, {}, {}, ("bf16-mixed", "channels_last")),
        (TWO_OLD_GPUS, {}, DENSE, ("16-mixed", "channels_last")),
        (ONE_GPU, {"precision": "16-mixed", "memory_format": "contiguous"}, DENSE, ("16-mixed", "contiguous")),
    ],
)
def test_precision_and_format_follow_from_processor_model_and_settings(
    capabilities: MachineCapabilities, settings: dict[str, Any], model: dict[str, Any], wanted: tuple[str, str]
) -> None:
    request = replace(make_request(capabilities, settings), **model)
    found = settle_without_measuring(request)
    assert found is not None
    assert (found.chosen.precision, found.chosen.memory_format) == wanted
    assert (found.source, found.candidates, found.probe_s) == ("rule", (), 0.0)
    assert found.reason.endswith(".")


def test_defaults_obey_what_is_explicit() -> None:
    assert default_arithmetic(make_request(batch_size=16)) == make_arithmetic(batch_size=16, micro_batch_size=16)
    found = default_arithmetic(make_request(WITH_COMPILER, {"fused_optimizer": "off", "compile": "on"}))
    assert (found.is_optimizer_fused, found.is_compiled) == (False, True)


def test_what_cannot_be_obeyed_is_refused() -> None:
    with pytest.raises(JobFailure, match="needs a C\\+\\+ compiler"):
        check_request(make_request(CPU, {"compile": "on"}))
    with pytest.raises(JobFailure, match="triton"):
        check_request(make_request(ONE_GPU, {"compile": "on"}))
    request = make_request(CPU, {"fused_optimizer": "on"})
    unknown = request.hyperparameters.model_copy(update={"optimizer": "lion"})
    with pytest.raises(
        JobFailure, match=r"no fused form\. Set Fused optimizer to auto or off, or use adam, adamw or sgd"
    ):
        check_request(replace(request, hyperparameters=unknown))
    with pytest.raises(JobFailure, match="choose auto, 32 or bf16-mixed"):
        make_request(CPU, {"precision": "16-mixed"})


def test_compiling_is_tried_only_when_it_can_pay() -> None:
    winner = make_arithmetic()
    long: dict[str, Any] = {"pixels": 224 * 224}
    request = replace(make_request(WITH_COMPILER), **long)
    assert [item.is_compiled for item in list_compiled(request, winner, 1300.0)] == [True]
    assert list_compiled(request, winner, 1100.0) == []
    assert not is_worth_compiling(replace(request, num_steps=100))
    assert not is_worth_compiling(replace(make_request(CPU), **long))
    assert not is_worth_compiling(replace(make_request(WITH_COMPILER, {"compile": "off"}), **long))
    assert not is_worth_compiling(replace(make_request(WITH_COMPILER, reproducible=True), **long))


def test_memory_is_tried_only_where_a_batch_may_not_fit() -> None:
    small = MachineCapabilities((), has_bf16=False, ram_mb=16_384)
    for side, batch_size, wanted in ((224, 16, False), (224, 256, True), (1024, 4, True), (32, 256, False)):
        request = replace(make_request(small, batch_size=batch_size), pixels=side * side)
        assert may_lack_memory(request) is wanted
        assert (settle_without_measuring(request) is None) is wanted
    assert make_request(small).memory_mb == 8_192


@pytest.mark.parametrize(("num_train", "wanted"), [(10_000, [64, 128, 256]), (600, [64]), (500, []), (100, [])])
def test_batches_double_as_far_as_the_images_reach(num_train: int, wanted: list[int]) -> None:
    assert list_batch_sizes(make_request(num_train_images=num_train, auto_batch_size=True)) == wanted
    assert list_batch_sizes(make_request(num_train_images=num_train)) == []


def test_measuring_takes_a_small_share_of_the_run() -> None:
    assert plan_budget_s(100.0) == pytest.approx(8.0)
    assert plan_budget_s(1e5) == 60.0


OPEN: dict[str, Any] = {"auto_batch_size": True}


def test_nothing_is_measured_where_nothing_is_open_or_the_run_is_short() -> None:
    settled = settle_without_measuring(make_request(settings=EVERYTHING))
    assert settled is not None
    assert (settled.source, settled.chosen.is_optimizer_fused) == ("settings", False)
    short = settle_without_measuring(make_request(num_steps=12, **OPEN))
    assert short is not None
    assert short.source == "rule"
    assert "With 384 images to train, measuring would take more than 8% of the run" in short.reason
    assert settle_without_measuring(make_request(num_steps=13, **OPEN)) is None
    several = settle_without_measuring(make_request(TWO_OLD_GPUS, **OPEN))
    assert several is not None
    assert "Several devices" in several.reason


def test_a_reproducible_run_is_the_same_everywhere_and_refuses_what_speaks_against_it() -> None:
    for capabilities in (CPU, NO_CPU_BF16, WITH_COMPILER, ONE_GPU, TWO_OLD_GPUS):
        request = replace(make_request(capabilities, reproducible=True), **DENSE)
        found = settle_without_measuring(request, choice(batch_size=64, micro_batch_size=8, is_compiled=True))
        assert found is not None
        assert (found.source, found.chosen) == ("settings", make_arithmetic())
    wrong = {"precision": "bf16-mixed", "memory_format": "contiguous", "fused_optimizer": "off"}
    for name, value in wrong.items():
        with pytest.raises(JobFailure, match=f"or turn Reproducible off: {name.replace('_', ' ')}"):
            check_request(make_request(CPU, {name: value}, reproducible=True))
    flags: dict[str, Any] = {"deterministic": False, "auto_batch_size": True}
    for name, flag in flags.items():
        with pytest.raises(JobFailure, match=f"or turn Reproducible off: {name.replace('_', ' ')}"):
            check_request(make_request(CPU, None, reproducible=True, **{name: flag}))


def choice(source: Any = "probe", figures: float | None = 40.0, **changes: Any) -> ArithmeticChoice:
    return ArithmeticChoice(
        chosen=make_arithmetic(**changes), source=source, candidates=(make_candidate(figures, **changes),)
    )


def test_a_known_choice_is_taken_without_measuring_and_leaves_the_rule_as_it_is() -> None:
    request = make_request(**OPEN)
    known = choice(batch_size=64, micro_batch_size=64, precision="bf16-mixed", memory_format="contiguous")
    found = settle_without_measuring(request, known, "2026-01-02T03:04:05Z")
    assert found is not None
    assert (found.source, found.chosen) == ("earlier_run", make_arithmetic(batch_size=64, micro_batch_size=64))
    assert found.reason.endswith("The rest was measured on this machine with the same settings on 2026-01-02.")
    again = settle_without_measuring(request, found)
    assert again is not None
    assert (again.source, again.chosen, again.candidates) == ("earlier_run", found.chosen, found.candidates)


def test_a_known_choice_that_was_not_measured_is_left() -> None:
    assert take_known(make_request(**OPEN), choice("default", None)) is None
    assert take_known(make_request(**OPEN), choice("checkpoint", None)) is None
    assert take_known(make_request(**OPEN), choice(batch_size=16, micro_batch_size=16)) is None


def test_a_known_batch_is_taken_only_when_it_may_change() -> None:
    known = choice(batch_size=64, micro_batch_size=64)
    fixed = take_known(make_request(), known)
    free = take_known(make_request(**OPEN), known)
    assert fixed is not None
    assert free is not None
    assert (fixed.chosen.batch_size, fixed.chosen.micro_batch_size) == (32, 32)
    assert free.chosen.batch_size == 64


@pytest.mark.parametrize(("num_train", "wanted"), [(10_000, 256), (1_100, 128), (600, 64), (300, 32)])
def test_a_known_batch_is_not_larger_than_the_images_allow(num_train: int, wanted: int) -> None:
    known = choice(batch_size=256, micro_batch_size=256)
    found = take_known(make_request(num_train_images=num_train, auto_batch_size=True), known)
    assert found is not None
    assert (found.chosen.batch_size, found.chosen.micro_batch_size) == (wanted, wanted)


def test_a_known_compilation_is_repeated_only_in_a_long_run() -> None:
    known = choice(is_compiled=True)
    for num_steps, is_compiled in ((10_000, True), (100, False)):
        found = take_known(replace(make_request(WITH_COMPILER, num_steps=num_steps), pixels=224 * 224), known)
        assert found is not None
        assert found.chosen.is_compiled is is_compiled


def test_obeying_means_every_explicit_setting() -> None:
    arithmetic: Arithmetic = make_arithmetic(memory_format="contiguous")
    explicit = EVERYTHING | {"fused_optimizer": "on"}
    assert is_obeyed(make_request(settings=explicit).settings, arithmetic)
    for name, other in {"precision": "bf16-mixed", "memory_format": "channels_last", "fused_optimizer": "off"}.items():
        assert not is_obeyed(make_request(settings=explicit | {name: other}).settings, arithmetic)


@pytest.mark.parametrize(
    ("cores", "batch_size", "wanted"), [(1, 32, 4), (2, 32, 4), (3, 32, 6), (16, 32, 8), (16, 2, 2)]
)
def test_few_images_are_compared_on_few_cores(cores: int, batch_size: int, wanted: int) -> None:
    capabilities = MachineCapabilities((), has_bf16=False, num_cores=cores)
    assert make_request(capabilities, batch_size=batch_size).small_batch_size == wanted


@pytest.mark.parametrize(
    ("capabilities", "settings", "saved", "changes"),
    [
        (CPU, {}, {"precision": "16-mixed"}, {"precision": "32-true"}),
        (CPU, {"precision": "bf16-mixed"}, {"precision": "16-mixed"}, {"precision": "bf16-mixed"}),
        (CPU, {}, {"precision": "bf16-mixed"}, {}),
        (CPU, {}, {"precision": "bf16-mixed", "memory_format": "contiguous"}, {"memory_format": "channels_last"}),
        (NO_CPU_BF16, {}, {"precision": "bf16-mixed"}, {"precision": "32-true"}),
        (NO_CPU_BF16, {"precision": "bf16-mixed"}, {"precision": "bf16-mixed"}, {}),
        (CPU, {}, {"is_compiled": True}, {"is_compiled": False}),
        (WITH_COMPILER, {}, {"is_compiled": True}, {}),
        (ONE_GPU, {}, {"precision": "16-mixed", "memory_format": "contiguous"}, {}),
        (ONE_GPU, {}, {"precision": "32-true"}, {}),
        (TWO_OLD_GPUS, {}, {"precision": "bf16-mixed"}, {"precision": "16-mixed"}),
    ],
)
def test_a_checkpoint_of_another_device_is_continued_in_what_this_one_can(
    capabilities: MachineCapabilities, settings: dict[str, Any], saved: dict[str, Any], changes: dict[str, Any]
) -> None:
    arithmetic = make_arithmetic(batch_size=64, micro_batch_size=16, **saved)
    fitting = fit_to_machine(make_request(capabilities, settings), arithmetic)
    assert fitting == arithmetic.model_copy(update=changes)
