"""What may be tried, what it may cost, and who wins. No step is timed here."""

from __future__ import annotations

from typing import Any

import pytest

from app.schemas.arithmetic import Arithmetic, ArithmeticChoice
from app.schemas.job_context import JobFailure
from app.training.arithmetic import (
    check_request,
    default_arithmetic,
    fit_to_machine,
    is_obeyed,
    list_batch_sizes,
    list_compiled,
    list_formats,
    list_optimizers,
    pick_winner,
    plan_budget_s,
    settle_without_measuring,
    take_known,
)
from app.training.hardware import Capabilities
from tests.training.arithmetics import (
    CPU,
    ONE_GPU,
    TWO_OLD_GPUS,
    make_arithmetic,
    make_candidate,
    make_known,
    make_request,
)

WITH_COMPILER = Capabilities((), has_bf16=False, has_cpp_compiler=True)
NO_CPU_BF16 = Capabilities((), has_bf16=False, has_cpu_bf16=False)
EVERYTHING = {"precision": "32", "memory_format": "contiguous", "fused_optimizer": "off", "compile": "off"}


def formats(capabilities: Capabilities, **settings: Any) -> list[tuple[str, str]]:
    found = list_formats(make_request(capabilities, settings))
    return [(arithmetic.precision, arithmetic.memory_format) for arithmetic in found]


@pytest.mark.parametrize(
    ("capabilities", "settings", "wanted"),
    [
        (CPU, {}, [("32-true", "channels_last"), ("bf16-mixed", "channels_last"), ("32-true", "contiguous")]),
        (NO_CPU_BF16, {}, [("32-true", "channels_last"), ("32-true", "contiguous")]),
        (CPU, {"precision": "32"}, [("32-true", "channels_last"), ("32-true", "contiguous")]),
        (CPU, {"precision": "bf16-mixed"}, [("bf16-mixed", "channels_last")]),
        (CPU, {"precision": "bf16-mixed", "memory_format": "contiguous"}, [("bf16-mixed", "contiguous")]),
        (CPU, {"memory_format": "contiguous"}, [("32-true", "contiguous")]),
        (CPU, {"memory_format": "channels_last"}, [("32-true", "channels_last"), ("bf16-mixed", "channels_last")]),
    ],
)
def test_formats_of_a_cpu_obey_the_settings(
    capabilities: Capabilities, settings: dict[str, Any], wanted: list[tuple[str, str]]
) -> None:
    assert formats(capabilities, **settings) == wanted


def test_formats_of_a_gpu_begin_with_half_precision() -> None:
    found = formats(ONE_GPU)
    assert found[0] == ("bf16-mixed", "channels_last")
    assert sorted(found[1:]) == [
        ("32-true", "channels_last"),
        ("32-true", "contiguous"),
        ("bf16-mixed", "contiguous"),
    ]
    assert formats(TWO_OLD_GPUS)[0] == ("16-mixed", "channels_last")
    assert formats(ONE_GPU, precision="16-mixed", memory_format="contiguous") == [("16-mixed", "contiguous")]


def test_defaults_obey_what_is_explicit() -> None:
    assert default_arithmetic(make_request(batch_size=16)) == make_arithmetic(batch_size=16, micro_batch_size=16)
    found = default_arithmetic(make_request(WITH_COMPILER, {"fused_optimizer": "off", "compile": "on"}))
    assert (found.is_optimizer_fused, found.is_compiled) == (False, True)


def test_what_cannot_be_obeyed_is_refused() -> None:
    with pytest.raises(JobFailure, match="needs a C\\+\\+ compiler"):
        check_request(make_request(CPU, {"compile": "on"}))
    with pytest.raises(JobFailure, match="triton"):
        check_request(make_request(ONE_GPU, {"compile": "on"}))
    with pytest.raises(JobFailure, match="no fused form: choose fused_optimizer auto or off, or adam, adamw or sgd"):
        check_request(make_request(CPU, {"fused_optimizer": "on"}, optimizer="lion"))
    with pytest.raises(JobFailure, match="choose auto, 32 or bf16-mixed"):
        make_request(CPU, {"precision": "16-mixed"})


def test_the_optimizer_is_open_only_for_auto() -> None:
    winner = make_arithmetic()
    other = winner.model_copy(update={"is_optimizer_fused": False})
    assert list_optimizers(make_request(), winner) == [other]
    assert list_optimizers(make_request(settings={"fused_optimizer": "on"}), winner) == []


def test_compiling_is_tried_only_when_it_can_pay() -> None:
    winner = make_arithmetic()
    assert [item.is_compiled for item in list_compiled(make_request(WITH_COMPILER), winner, 1300.0)] == [True]
    assert list_compiled(make_request(WITH_COMPILER), winner, 1100.0) == []
    assert list_compiled(make_request(CPU), winner, 1e6) == []
    assert list_compiled(make_request(WITH_COMPILER, {"compile": "off"}), winner, 1e6) == []


@pytest.mark.parametrize(("num_train", "wanted"), [(10_000, [64, 128, 256]), (600, [64]), (500, []), (100, [])])
def test_batches_double_as_far_as_the_images_reach(num_train: int, wanted: list[int]) -> None:
    assert list_batch_sizes(make_request(num_train_images=num_train, auto_batch_size=True)) == wanted
    assert list_batch_sizes(make_request(num_train_images=num_train)) == []


def test_measuring_takes_a_small_share_of_the_run() -> None:
    assert plan_budget_s(100.0) == pytest.approx(8.0)
    assert plan_budget_s(1e5) == 60.0


def test_a_less_simple_candidate_has_to_be_clearly_faster() -> None:
    simple = make_candidate(100.0)
    reordered = make_candidate(104.0, memory_format="contiguous")
    lower = make_candidate(106.0, precision="bf16-mixed", memory_format="channels_last")
    assert pick_winner([lower, reordered, simple]) is lower
    assert pick_winner([reordered, simple]) is simple
    reordered = make_candidate(105.0, memory_format="contiguous")
    assert pick_winner([lower, reordered, simple]) is reordered
    unfused = make_candidate(104.0, is_optimizer_fused=False)
    assert pick_winner([unfused, simple]) is simple
    assert pick_winner([make_candidate(None), lower]) is lower
    assert pick_winner([make_candidate(None)]) is None


def test_nothing_is_measured_where_nothing_is_open_or_the_run_is_short() -> None:
    settled = settle_without_measuring(make_request(settings=EVERYTHING))
    assert settled is not None
    assert (settled.source, settled.chosen.is_optimizer_fused) == ("settings", False)
    short = settle_without_measuring(make_request(num_steps=12))
    assert short is not None
    assert short.source == "default"
    assert "With 384 images to train, measuring would take more than 8% of the run" in short.reason
    assert settle_without_measuring(make_request(num_steps=13)) is None
    several = settle_without_measuring(make_request(TWO_OLD_GPUS))
    assert several is not None
    assert "Several devices" in several.reason


def choice(source: Any = "probe", figures: float | None = 40.0, **changes: Any) -> ArithmeticChoice:
    return ArithmeticChoice(
        chosen=make_arithmetic(**changes), source=source, candidates=(make_candidate(figures, **changes),)
    )


def test_a_known_choice_is_taken_without_measuring() -> None:
    known = make_known(choice(precision="bf16-mixed", memory_format="channels_last"))
    found = settle_without_measuring(make_request(), known)
    assert found is not None
    assert (found.source, found.chosen) == ("earlier_run", known.choice.chosen)
    assert found.reason == "An earlier run with the same settings measured this on 2026-01-02."
    again = settle_without_measuring(make_request(), make_known(found))
    assert again is not None
    assert (again.source, again.chosen, again.reason) == ("earlier_run", found.chosen, found.reason)


@pytest.mark.parametrize(
    ("known", "settings"),
    [
        (choice("default", None), {}),
        (choice(precision="bf16-mixed"), {"precision": "32"}),
        (choice(is_optimizer_fused=False), {"fused_optimizer": "on"}),
        (choice(memory_format="channels_last"), {"memory_format": "contiguous"}),
    ],
)
def test_a_known_choice_that_was_not_measured_or_not_asked_for_is_left(
    known: ArithmeticChoice, settings: dict[str, Any]
) -> None:
    assert take_known(make_request(settings=settings), make_known(known)) is None


def test_a_known_batch_is_taken_only_when_it_may_change() -> None:
    known = make_known(choice(batch_size=64, micro_batch_size=64))
    fixed = take_known(make_request(), known)
    free = take_known(make_request(auto_batch_size=True), known)
    assert fixed is not None
    assert free is not None
    assert (fixed.chosen.batch_size, fixed.chosen.micro_batch_size) == (32, 32)
    assert free.chosen.batch_size == 64


@pytest.mark.parametrize(("num_train", "wanted"), [(10_000, 256), (1_100, 128), (600, 64), (300, 32)])
def test_a_known_batch_is_not_larger_than_the_images_allow(num_train: int, wanted: int) -> None:
    known = make_known(choice(batch_size=256, micro_batch_size=256))
    found = take_known(make_request(num_train_images=num_train, auto_batch_size=True), known)
    assert found is not None
    assert (found.chosen.batch_size, found.chosen.micro_batch_size) == (wanted, wanted)


def test_a_known_division_counts_only_where_memory_was_measured() -> None:
    for source, figures, wanted in (("probe", 40.0, 8), ("settings", None, 32)):
        found = take_known(make_request(), make_known(choice(source, figures, micro_batch_size=8)))
        assert found is not None
        assert found.chosen.micro_batch_size == wanted


def test_a_known_compilation_is_repeated_only_in_a_long_run() -> None:
    known = make_known(choice(is_compiled=True))
    for num_steps, is_compiled in ((10_000, True), (100, False)):
        found = take_known(make_request(WITH_COMPILER, num_steps=num_steps), known)
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
    capabilities = Capabilities((), has_bf16=False, num_cores=cores)
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
    capabilities: Capabilities, settings: dict[str, Any], saved: dict[str, Any], changes: dict[str, Any]
) -> None:
    arithmetic = make_arithmetic(batch_size=64, micro_batch_size=16, **saved)
    fitting = fit_to_machine(make_request(capabilities, settings), arithmetic)
    assert fitting == arithmetic.model_copy(update=changes)
