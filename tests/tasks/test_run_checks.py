"""Each check before a run names what goes wrong, and its first fix leaves nothing of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.datasets.run_data import FarValue, SplitFacts
from app.datasets.sampling import EpochBatchSampler
from app.schemas.experiments import ModelSettings
from app.schemas.run_checks import RunCheck
from app.tasks.base import Hyperparameters
from app.tasks.run_checks import CHECKS, list_run_checks
from app.tasks.run_facts import RunFacts, WeightsFacts

FILE = "resnet18-f37072fd.pth"
MISSING = WeightsFacts(FILE, f"https://weights.test/{FILE}", is_here=False)
HERE = replace(MISSING, is_here=True)
MANY = SplitFacts(
    counts={"train": 4000, "val": 500, "test": 500},
    classes={name: Counter(cat=200, dog=200) for name in ("train", "val", "test")},
)


def facts_of(
    num_train: int | None = None,
    model: Mapping[str, Any] | None = None,
    data: SplitFacts | None = None,
    weights: WeightsFacts = HERE,
    **hyperparameters: Any,
) -> RunFacts:
    """Return what the checks look at; without arguments nothing is wrong with it."""
    data = data or MANY
    if num_train is not None:
        data = replace(data, counts={**data.counts, "train": num_train})
    return RunFacts(
        model=ModelSettings(backbone="resnet18", **(dict(model or {}))),
        hyperparameters=Hyperparameters(**hyperparameters).model_dump(),
        input_size=(hyperparameters.get("image_size", 224),) * 2,
        num_devices=1,
        data=data,
        weights=weights,
    )


def apply_fix(facts: RunFacts, check: RunCheck, place: int = 0) -> RunFacts:
    """Return the facts after a fix was pressed."""
    change = check.fixes[place].change or {}
    hyperparameters = {**facts.hyperparameters, **change.get("hyperparameters", {})}
    side = hyperparameters["image_size"]
    return replace(
        facts,
        model=facts.model.model_copy(update=change.get("model", {})),
        hyperparameters=hyperparameters,
        input_size=(side, side),
    )


def ids_of(facts: RunFacts) -> list[str]:
    return [check.id for check in list_run_checks(facts)]


def find(facts: RunFacts, name: str) -> RunCheck:
    found = [check for check in list_run_checks(facts) if check.id == name]
    assert len(found) == 1, ids_of(facts)
    return found[0]


SCRATCH = {"pretrained": False}
FROZEN = {"pretrained": False, "freeze_backbone": True}
PROBLEMS: dict[str, list[RunFacts]] = {
    "no_training_images": [facts_of(0)],
    "no_validation_images": [facts_of(data=replace(MANY, counts={"train": 4000, "test": 5}))],
    "class_without_training_images": [
        facts_of(data=replace(MANY, classes={**MANY.classes, "val": Counter(c=1)})),
        facts_of(data=replace(MANY, classes={**MANY.classes, "test": Counter(d=3)})),
        facts_of(data=replace(MANY, classes={**MANY.classes, "val": Counter({f"c{n}": 1 for n in range(9)})})),
    ],
    "one_class": [facts_of(data=replace(MANY, classes={key: Counter(cat=9) for key in ("train", "val")}))],
    "value_too_large": [
        facts_of(data=SplitFacts({"train": 4000, "val": 9}, num_values=1, too_large=(("a.png", 1e39),))),
        facts_of(data=SplitFacts({"train": 4000, "val": 9}, num_values=2, too_large=(("a.png", -1e39), ("b", 1e31)))),
    ],
    "value_far_away": [
        facts_of(data=SplitFacts({"train": 4000, "val": 9}, num_values=1, far_away=FarValue("a", 1e29, 0, 1.0, 2.0)))
    ],
    "constant_values": [facts_of(data=SplitFacts({"train": 4000, "val": 9}, num_values=2, constant_columns=(1,)))],
    "weights_missing": [
        facts_of(weights=MISSING),
        facts_of(weights=replace(MISSING, can_download=False)),
        facts_of(weights=replace(MISSING, can_download=True)),
        facts_of(weights=MISSING, model={"freeze_backbone": True}),
    ],
    "frozen_without_weights": [facts_of(model=FROZEN), facts_of(model=FROZEN, weights=MISSING), facts_of(9, FROZEN)],
    "few_images_from_scratch": [facts_of(40, SCRATCH, batch_size=8), facts_of(999, SCRATCH), facts_of(1, SCRATCH)],
    "one_training_image": [facts_of(1)],
    "batch_of_one": [facts_of(batch_size=1), facts_of(20, batch_size=1), facts_of(2, batch_size=1)],
    "few_batches": [facts_of(40), facts_of(64), facts_of(400, max_epochs=2), facts_of(33, batch_size=16)],
    "batch_larger_than_data": [facts_of(12), facts_of(31, max_epochs=300), facts_of(3, batch_size=256)],
    "last_batch_of_one": [facts_of(129), facts_of(13, batch_size=4)],
    "learning_rate_high": [facts_of(learning_rate=0.5), facts_of(learning_rate=5.0, optimizer="sgd")],
    "learning_rate_low": [facts_of(learning_rate=1e-12), facts_of(learning_rate=1e-9, optimizer="adamw")],
    "image_too_small": [facts_of(image_size=16), facts_of(image_size=48), facts_of(image_size=24, model=SCRATCH)],
    "warmup_too_long": [facts_of(max_epochs=5), facts_of(max_epochs=9), facts_of(warmup_epochs=100)],
    "patience_shorter_than_warmup": [facts_of(early_stopping_patience=2)],
    "patience_longer_than_run": [facts_of(max_epochs=10), facts_of(early_stopping_patience=100)],
    "rate_never_falls": [
        facts_of(scheduler="step", step_size=50),
        facts_of(scheduler="multistep", milestones=[60, 90]),
        facts_of(scheduler="multistep", milestones=[]),
    ],
}  # fmt: skip
CASES = [
    pytest.param(name, facts, id=f"{name}-{n}") for name, found in PROBLEMS.items() for n, facts in enumerate(found)
]


def test_nothing_is_said_of_usual_settings() -> None:
    assert ids_of(facts_of()) == []
    assert ids_of(facts_of(model={"freeze_backbone": True})) == []
    assert ids_of(facts_of(model=SCRATCH)) == []


def test_every_problem_has_cases() -> None:
    assert len(CHECKS) == 11
    assert len(PROBLEMS) == 22
    assert len(CASES) == 49


@pytest.mark.parametrize(("name", "facts"), CASES)
def test_problem_is_named_with_what_fixes_it(name: str, facts: RunFacts) -> None:
    check = find(facts, name)
    assert check.message.endswith(".")
    assert not check.title.endswith(".")
    for place, fix in enumerate(check.fixes):
        assert [bool(fix.change), bool(fix.weights_for), bool(fix.page)].count(True) == 1
        if fix.change and place == 0:
            assert name not in ids_of(apply_fix(facts, check)), check


@pytest.mark.parametrize("name", ["frozen_without_weights", "few_images_from_scratch", "weights_missing"])
def test_nothing_is_said_of_the_weights_of_a_fork(name: str) -> None:
    for facts in PROBLEMS[name]:
        assert name not in ids_of(replace(facts, has_start=True))


def test_random_features_are_called_so_and_the_whole_network_is_offered_first() -> None:
    check = find(facts_of(model=FROZEN), "frozen_without_weights")
    assert "the head gets random features" in check.message
    assert [fix.label for fix in check.fixes] == ["Train the whole network", "Use pretrained weights"]


def test_missing_weights_offer_scratch_and_the_file_and_say_whether_they_can_be_had() -> None:
    unknown, unreachable, reachable, frozen = (find(facts, "weights_missing") for facts in PROBLEMS["weights_missing"])
    assert [check.level for check in (unknown, unreachable, reachable)] == ["warning", "error", "info"]
    assert "cannot be reached from here, so the run would fail" in unreachable.message
    assert [fix.label for fix in unreachable.fixes] == ["Train from scratch", "Add the weights file"]
    assert frozen.fixes[0].change == {"model": {"pretrained": False, "freeze_backbone": False}}
    assert all(FILE in check.message for check in (unknown, unreachable, reachable, frozen))


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("few_images_from_scratch", facts_of(40, SCRATCH, batch_size=8)),
        ("frozen_without_weights", facts_of(model=FROZEN)),
        ("frozen_without_weights", facts_of(9, FROZEN)),
    ],
)
def test_weights_that_cannot_be_reached_are_not_advised_but_their_file(name: str, facts: RunFacts) -> None:
    found = find(replace(facts, weights=replace(MISSING, can_download=False)), name)
    assert "Use pretrained weights" not in [fix.label for fix in found.fixes]
    assert found.fixes[-1].weights_for == facts.model.backbone
    for in_reach in (HERE, MISSING, replace(MISSING, can_download=True)):
        labels = [fix.label for fix in find(replace(facts, weights=in_reach), name).fixes]
        assert labels[-1] == "Use pretrained weights"


def test_a_value_that_no_float_holds_stops_the_run_and_is_named() -> None:
    first, second = (find(facts, "value_too_large") for facts in PROBLEMS["value_too_large"])
    assert (first.level, second.level) == ("error", "error")
    assert "a.png has the value 1e+39." in first.message
    assert "a.png has the value -1e+39, and 1 more value like it." in second.message


@pytest.mark.parametrize(
    ("patience", "epochs", "is_named"), [(10, 4, False), (0, 4, False), (3, 4, True), (4, 4, False)]
)
def test_early_stopping_is_named_only_where_it_can_act(patience: int, epochs: int, is_named: bool) -> None:
    facts = facts_of(40, early_stopping_patience=patience, max_epochs=epochs, warmup_epochs=0)
    assert ("early stopping may end the run" in find(facts, "few_batches").message) is is_named
    assert ("patience_longer_than_run" in ids_of(facts)) is (patience >= epochs)


@pytest.mark.parametrize(
    ("facts", "title", "advice"),
    [
        (facts_of(10, max_epochs=200), "Few steps per epoch", "Use a smaller batch size."),
        (facts_of(10, max_epochs=4), "Very few steps", "Use a smaller batch size or more epochs."),
        (facts_of(3, max_epochs=4), "Very few steps", "Use more epochs."),
        (facts_of(3, max_epochs=900), "Few steps per epoch", "Use more training images."),
    ],
)
def test_few_steps_are_called_what_they_are_with_what_helps(facts: RunFacts, title: str, advice: str) -> None:
    (check,) = (item for item in list_run_checks(facts) if item.id in {"few_batches", "batch_larger_than_data"})
    assert check.title == title
    assert check.message.endswith(advice)


@pytest.mark.parametrize("count", [4, 40, 400])
def test_one_class_is_told_alone(count: int) -> None:
    data = SplitFacts({"train": count, "val": 2}, {key: Counter(cat=count) for key in ("train", "val")})
    assert set(ids_of(facts_of(data=data, model=SCRATCH, batch_size=32))) <= {"one_class", "last_batch_of_one"}


@pytest.mark.parametrize("count", [4, 40, 400])
def test_chance_is_named_only_where_there_are_classes(count: int) -> None:
    data = SplitFacts({"train": count, "val": 2}, num_values=1)
    said = " ".join(check.message for check in list_run_checks(facts_of(data=data, model=SCRATCH)))
    assert "Expect poor results for many epochs" in said
    assert "chance" not in said
    assert "guessing" not in said


def test_errors_come_first() -> None:
    levels = [check.level for check in list_run_checks(facts_of(0, SCRATCH, max_epochs=1, learning_rate=9.0))]
    assert levels[0] == "error"
    assert levels == sorted(levels, key=("error", "warning", "info").index)
    assert len(levels) >= 3


def test_batches_of_several_devices_count_together() -> None:
    facts = replace(facts_of(200, max_epochs=100), num_devices=2)
    assert (facts.batch_size, facts.batches_per_epoch) == (64, 4)
    assert ids_of(facts) == []
    assert "few_batches" in ids_of(replace(facts, num_devices=4))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.integers(1, 300), st.integers(1, 64))
def test_batches_are_those_of_the_run(num_train: int, batch_size: int) -> None:
    sampler = EpochBatchSampler(["a"] * num_train, batch_size, seed=0)
    assert facts_of(num_train, batch_size=batch_size).batches_per_epoch == len(sampler)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.integers(1, 2000), st.integers(1, 256), st.integers(1, 1000), st.booleans())
def test_the_first_fix_of_batches_always_fixes_them(count: int, batch: int, epochs: int, is_scratch: bool) -> None:
    facts = facts_of(count, {"pretrained": not is_scratch}, batch_size=batch, max_epochs=epochs)
    for check in _of_steps(facts):
        fixed = [item.id for item in _of_steps(apply_fix(facts, check))]
        assert check.id not in fixed or count < 8, check


@pytest.mark.parametrize(("count", "batch", "better"), [(9, 5, 3), (9, 4, 3), (13, 12, 4), (11, 8, 4)])
def test_a_fix_counts_the_last_batch_of_one_image_as_left_out(count: int, batch: int, better: int) -> None:
    facts = facts_of(count, batch_size=batch, max_epochs=1)
    (check,) = _of_steps(facts)
    assert check.fixes[0].change is not None
    assert check.fixes[0].change["hyperparameters"]["batch_size"] == better
    assert list(_of_steps(apply_fix(facts, check))) == []


def _of_steps(facts: RunFacts) -> Iterator[RunCheck]:
    names = {"few_batches", "batch_larger_than_data", "batch_of_one"}
    return (check for check in list_run_checks(facts) if check.id in names and check.fixes)
