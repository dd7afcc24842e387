"""Where the arithmetic of a run comes from: its checkpoint, its settings, an earlier measurement, or a probe."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from app.schemas.experiments import HardwareSettings
from app.schemas.job_context import JobCancelled, JobFailure
from app.training.arithmetic.choosing import (
    NOT_COMPILED,
    build_request,
    choose_arithmetic,
    divide_batch,
    has_dense_convolutions,
)
from app.training.arithmetic.hardware import Hardware
from app.training.arithmetic.samples import read_samples
from app.training.inputs import TrainingInputs, prepare_inputs
from app.training.recovery import Adjustment
from tests.training.arithmetics import make_arithmetic, make_known
from tests.training.fakes import Workplace, build_parts
from tests.training.feature_world import FrozenNet

GROWING: dict[str, Any] = {"max_epochs": 1000, "auto_batch_size": True, "batch_size": 1}
CPU = Hardware("cpu", 1, ("cpu",), "32-true", "auto")


def inputs_of(workplace: Workplace, hardware: dict[str, Any] | None = None, **settings: Any) -> TrainingInputs:
    payload = workplace.payload(settings, hardware=HardwareSettings(**(hardware or {})))
    return prepare_inputs(payload, build_parts())


def choose(inputs: TrainingInputs, saved: Any = None, follow: Any = None) -> Any:
    model = inputs.parts.module.build_model(inputs.context, None)
    return choose_arithmetic(inputs, CPU, model, saved, follow or (lambda *_: None))


def test_a_run_takes_the_rule_and_measures_nothing(workplace: Workplace) -> None:
    choice = choose(inputs_of(workplace))
    assert (choice.source, choice.chosen) == ("rule", make_arithmetic(batch_size=4, micro_batch_size=4))


def test_a_resumed_run_keeps_the_arithmetic_of_its_checkpoint(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.training.arithmetic.hardware.has_cpu_bf16", lambda: True)
    saved = make_arithmetic(batch_size=4, micro_batch_size=2, precision="bf16-mixed").model_dump(mode="json")
    choice = choose(inputs_of(workplace), saved)
    assert (choice.source, choice.chosen.precision, choice.chosen.micro_batch_size) == ("checkpoint", "bf16-mixed", 2)
    assert choice.reason == ""


def test_a_checkpoint_of_a_gpu_goes_on_in_what_the_cpu_computes_and_says_so(workplace: Workplace) -> None:
    saved = make_arithmetic(batch_size=4, micro_batch_size=2, precision="16-mixed").model_dump(mode="json")
    choice = choose(inputs_of(workplace), saved)
    assert (choice.source, choice.chosen.precision, choice.chosen.micro_batch_size) == ("checkpoint", "32-true", 2)
    assert "trained in 16-mixed, channels_last; on cpu the run continues in 32 bit, channels_last" in choice.reason


def test_settings_that_became_explicit_are_obeyed(workplace: Workplace) -> None:
    saved = make_arithmetic(batch_size=4, micro_batch_size=2, precision="bf16-mixed").model_dump(mode="json")
    choice = choose(inputs_of(workplace, {"precision": "32"}), saved)
    assert (choice.source, choice.chosen.precision, choice.chosen.micro_batch_size) == ("settings", "32-true", 2)
    assert "changed since the checkpoint" in choice.reason


def test_what_broke_divides_the_batch(workplace: Workplace) -> None:
    settled = choose(inputs_of(workplace))
    assert divide_batch(settled, None, None) == divide_batch(settled, Adjustment(rate_scale=0.25), 9) == settled
    for adjusted, limit, wanted in ((Adjustment(micro_batch_size=1), None, 1), (None, 2, 2), (Adjustment(), 3, 3)):
        choice = divide_batch(settled, adjusted, limit)
        assert (choice.chosen.batch_size, choice.chosen.micro_batch_size) == (4, wanted)


def test_a_batch_that_may_grow_is_measured_and_can_be_cancelled_meanwhile(workplace: Workplace) -> None:
    inputs = inputs_of(workplace, **GROWING)
    said: list[str] = []
    choice = choose(inputs, follow=lambda _done, _total, message: said.append(message))
    assert choice.candidates
    assert any(message.startswith("Measuring 32 bit") for message in said)

    def cancel(*_: Any) -> None:
        raise JobCancelled

    with pytest.raises(JobCancelled):
        choose(inputs, follow=cancel)


def test_features_count_views_and_not_epochs(workplace: Workplace) -> None:
    inputs = inputs_of(workplace, max_epochs=50, feature_views=3)
    for uses_features, wanted in ((False, 50 * 6), (True, 3 * 6)):
        assert build_request(inputs, CPU, nn.Identity(), uses_features=uses_features).num_steps == wanted


@pytest.mark.parametrize("saved", [None, make_arithmetic(batch_size=4, micro_batch_size=4).model_dump(mode="json")])
def test_what_learns_from_features_is_never_compiled_and_says_so(workplace: Workplace, saved: Any) -> None:
    payload = workplace.payload({}, {"freeze_backbone": True}, hardware=HardwareSettings(compile="on"))
    choice = choose_arithmetic(prepare_inputs(payload, build_parts()), CPU, FrozenNet(), saved, lambda *_: None)
    assert not choice.chosen.is_compiled
    assert NOT_COMPILED in choice.reason
    assert "changed since the checkpoint" not in choice.reason


def test_what_is_filled_is_never_compiled_and_says_so(workplace: Workplace) -> None:
    payload = workplace.payload({}, {"backbone": "means"}, hardware=HardwareSettings(compile="on"))
    inputs = prepare_inputs(payload, build_parts())
    assert (choose(inputs).chosen.is_compiled, choose(inputs).reason) == (False, NOT_COMPILED)


def test_samples_are_spread_over_the_images(workplace: Workplace) -> None:
    samples = read_samples(inputs_of(workplace), 4)
    assert samples.positions == [0, 5, 11, 16]
    assert samples.images.shape[0] == len(samples.targets) == 4
    assert samples.megapixels_per_s > 0
    for path in (workplace.root / "images").iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(JobFailure, match="None of 4 training images can be read"):
        read_samples(inputs_of(workplace), 4)


def test_depthwise_convolutions_are_told_from_dense_ones() -> None:
    dense, depthwise = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3, groups=4)
    assert has_dense_convolutions(nn.Sequential(dense, nn.Linear(4, 2)))
    assert not has_dense_convolutions(nn.Sequential(dense, depthwise))
    assert not has_dense_convolutions(nn.Linear(4, 2))


def test_a_fresh_workspace_decides_as_the_one_before(workplace: Workplace, tmp_path: Path) -> None:
    inputs = inputs_of(workplace, **GROWING)
    inputs.payload.machine_dir = str(tmp_path / "machine")
    first = choose(inputs)
    assert first.source == "probe"
    again = choose(inputs)
    assert (again.source, again.chosen, again.candidates) == ("earlier_run", first.chosen, first.candidates)
    shutil.rmtree(tmp_path / "machine")
    inputs.payload.known = make_known(first)
    assert choose(inputs).source == "earlier_run"
    inputs.payload.known = None
    # What the workspace knew is known to the machine again.
    assert (choose(inputs).source, choose(inputs).chosen) == ("earlier_run", first.chosen)
