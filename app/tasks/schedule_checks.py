"""Checks before a run that concern its steps: batches, learning rate, warm-up, early stopping."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from app.schemas.run_checks import RunCheck
from app.tasks.run_facts import GO_TO_SPLIT, RunFacts, change_settings

ENOUGH_STEPS = 50
"""Steps after which the running statistics of batch normalisation have settled: 0.9 ** 50 is half a percent."""
ENOUGH_BATCHES = 3
"""Batches per epoch with which validation follows training; with fewer the epochs hardly differ from each other."""
MOST_FOR_A_NOTE = 20
"""With more batches per epoch an image that is left out does not matter."""
HIGH_RATES = {"adam": 0.02, "adamw": 0.02, "sgd": 1.0}
USUAL_RATES = {"adam": 1e-3, "adamw": 1e-3, "sgd": 0.01}
LOW_RATE = 1e-7


def check_batches(facts: RunFacts) -> Iterator[RunCheck]:
    """Batch normalisation needs batches of several images, and enough of them."""
    count, size, batches = facts.data.num_train, facts.batch_size, facts.batches_per_epoch
    if not facts.learns_all or count == 0 or facts.hyperparameters.auto_batch_size or facts.has_one_class:
        return
    if count == 1:
        yield RunCheck(
            id="one_training_image",
            level="warning",
            field="split_name",
            title="Only one training image",
            message="Batch normalisation compares the images of a batch, so the one image is shown twice in each "
            "step, and the model learns little more than that image. Use a split with more training images.",
            fixes=[GO_TO_SPLIT],
        )
        return
    if facts.hyperparameters.batch_size == 1:
        better = min(8, max(2, count // ENOUGH_BATCHES))
        yield RunCheck(
            id="batch_of_one",
            level="warning",
            field="hyperparameters.batch_size",
            title="A batch of one image",
            message="Batch normalisation compares the images of a batch. With one image its statistics are noise, and "
            "with small images the run ends with an error. Use a batch size of at least 2, better 8 or more.",
            fixes=[change_settings(f"Use batch size {better}", "hyperparameters", batch_size=better)],
        )
    elif batches < ENOUGH_BATCHES or batches * facts.max_epochs < ENOUGH_STEPS:
        yield _describe_few_steps(facts)
    elif count % size == 1 and batches <= MOST_FOR_A_NOTE:
        yield RunCheck(
            id="last_batch_of_one",
            level="info",
            field="hyperparameters.batch_size",
            title="The last batch would hold one image",
            message=f"{count:,} images in batches of {size} leave one over. Batch normalisation cannot learn from it "
            f"alone, so each epoch leaves out one image, a different one each time.",
        )


def _describe_few_steps(facts: RunFacts) -> RunCheck:
    count, size, batches, devices = facts.data.num_train, facts.batch_size, facts.batches_per_epoch, facts.num_devices
    total = batches * facts.max_epochs
    smaller = _propose_batch_size(count, size) // devices
    while smaller > 2 and _count_batches(facts, smaller) < ENOUGH_BATCHES:
        smaller -= 1
    fixes = []
    if 2 <= smaller < facts.hyperparameters.batch_size:
        batches = _count_batches(facts, smaller)
        fixes.append(change_settings(f"Use batch size {smaller}", "hyperparameters", batch_size=smaller))
    epochs = min(1000, -(-ENOUGH_STEPS // batches))
    if epochs > facts.max_epochs:
        fixes.append(change_settings(f"Train {epochs} epochs", "hyperparameters", max_epochs=epochs))
        if len(fixes) == 2:
            both = {"batch_size": smaller, "max_epochs": epochs}
            fixes.insert(0, change_settings(f"Use batch size {smaller} and {epochs} epochs", "hyperparameters", **both))
    larger = f"The batch size is larger than the {count:,} training images. " if size > count else ""
    is_enough = total >= 2 * ENOUGH_STEPS
    advice = _advise(can_shrink=2 <= smaller < size, is_enough=is_enough)
    return RunCheck(
        id="batch_larger_than_data" if larger else "few_batches",
        level="warning",
        field="hyperparameters.batch_size",
        title="Few steps per epoch" if is_enough else "Very few steps",
        message=f"{larger}With a batch size of {size}, {_images(count)} make "
        f"{_count(facts.batches_per_epoch)} per epoch, {_count(total)} in total. {_judge_steps(total)} about "
        f"{ENOUGH_STEPS} steps, {_name_effects(facts)}. {advice}",
        fixes=fixes,
    )


def _images(count: int) -> str:
    return f"{count:,} training image{'' if count == 1 else 's'}"


def _name_effects(facts: RunFacts) -> str:
    """Return what happens in the first steps; early stopping is named only where it can end the run."""
    effect = "validation results can " + ("look like guessing" if facts.data.train_classes else "be poor")
    effect += " even while the model learns"
    return f"{effect}, and early stopping may end the run" if facts.can_stop_early else effect


def _advise(*, can_shrink: bool, is_enough: bool) -> str:
    """Return what to change: more epochs help only a run with too few steps in total."""
    changes = [*(["a smaller batch size"] if can_shrink else []), *([] if is_enough else ["more epochs"])]
    return f"Use {' or '.join(changes or ['more training images'])}."


def _judge_steps(total: int) -> str:
    """Return the beginning of the sentence about ENOUGH_STEPS, with what the number of steps amounts to."""
    if total < ENOUGH_STEPS:
        return "That is too few: until"
    return "That is barely enough: until" if total < 2 * ENOUGH_STEPS else "Until"


def _propose_batch_size(count: int, size: int) -> int:
    """Return a power of two with which an epoch has at least four batches, at least 4 where images allow it."""
    proposed = 1
    while proposed * 2 * 4 <= count and proposed * 2 <= size:
        proposed *= 2
    return max(proposed, min(4, count // 2))


def _count_batches(facts: RunFacts, batch_size: int) -> int:
    """Return the batches of an epoch with another batch size, without a last one of a single image."""
    changed = facts.hyperparameters.model_copy(update={"batch_size": batch_size})
    return replace(facts, hyperparameters=changed).batches_per_epoch


def _count(number: int) -> str:
    return "one step" if number == 1 else f"{number:,} steps"


def _epochs(number: int) -> str:
    return "1 epoch" if number == 1 else f"{number:,} epochs"


def _name_warmup(epochs: int) -> str:
    return f"Warm up for {_epochs(epochs)}" if epochs else "Turn warm-up off"


def check_rate(facts: RunFacts) -> Iterator[RunCheck]:
    """The learning rate should be one that optimizers work with."""
    if facts.learns_by != "gradient":
        return
    optimizer, rate = facts.hyperparameters.optimizer, facts.hyperparameters.learning_rate
    usual = USUAL_RATES.get(optimizer, 1e-3)
    is_high = rate > HIGH_RATES.get(optimizer, 1.0)
    if not is_high and rate >= LOW_RATE:
        return
    effect = "the loss usually grows instead of falling" if is_high else "the weights hardly move"
    yield RunCheck(
        id="learning_rate_high" if is_high else "learning_rate_low",
        level="warning",
        field="hyperparameters.learning_rate",
        title=f"The learning rate is very {'high' if is_high else 'low'}",
        message=f"With {optimizer} and a learning rate of {rate:g} {effect}. {usual:g} is usual.",
        fixes=[change_settings(f"Use {usual:g}", "hyperparameters", learning_rate=usual)],
    )


def check_epochs(facts: RunFacts) -> Iterator[RunCheck]:
    """Warm-up and early stopping should fit into the epochs of the run."""
    if facts.learns_by != "gradient":
        return
    settings, epochs = facts.hyperparameters, facts.max_epochs
    warmup, patience = settings.warmup_epochs, settings.early_stopping_patience
    if warmup and 2 * warmup > epochs:
        shorter = epochs // 10
        yield RunCheck(
            id="warmup_too_long",
            level="warning" if warmup >= epochs else "info",
            field="hyperparameters.warmup_epochs",
            title="Warm-up takes half of the run",
            message=f"Warm-up is set to {_epochs(warmup)}, but the run has {epochs}. It is shortened to half "
            f"of the run, during which the learning rate is below its full value. "
            f"{f'{_epochs(shorter)} would be usual' if shorter else 'A run this short usually needs no warm-up'}.",
            fixes=[change_settings(_name_warmup(shorter), "hyperparameters", warmup_epochs=shorter)],
        )
    if 0 < patience < min(warmup, epochs):
        longer = min(100, warmup + 5)
        yield RunCheck(
            id="patience_shorter_than_warmup",
            level="warning",
            field="hyperparameters.early_stopping_patience",
            title="Early stopping may end the run during warm-up",
            message=f"It stops after {_epochs(patience)} without improvement, and the learning rate rises for "
            f"{_epochs(warmup)} first.",
            fixes=[change_settings(f"Wait {_epochs(longer)}", "hyperparameters", early_stopping_patience=longer)],
        )
    if patience >= epochs > 1:
        shorter = max(1, epochs // 5)
        yield RunCheck(
            id="patience_longer_than_run",
            level="info",
            field="hyperparameters.early_stopping_patience",
            title="Early stopping cannot act",
            message=f"It waits {_epochs(patience)} without improvement, and the run has {epochs}.",
            fixes=[change_settings(f"Wait {_epochs(shorter)}", "hyperparameters", early_stopping_patience=shorter)],
        )


def check_milestones(facts: RunFacts) -> Iterator[RunCheck]:
    """A schedule in steps should take a step within the run."""
    settings, epochs = facts.hyperparameters, facts.max_epochs
    kind = settings.scheduler
    first = {"step": [settings.step_size], "multistep": settings.milestones}
    decays = first.get(kind, [])
    if facts.learns_by != "gradient" or kind not in first or any(epoch < epochs for epoch in decays):
        return
    field = "step_size" if kind == "step" else "milestones"
    better: Any = max(1, epochs // 3) if kind == "step" else [max(1, epochs * 6 // 10), max(1, epochs * 8 // 10)]
    shown = better if kind == "step" else ", ".join(str(epoch) for epoch in sorted(set(better)))
    yield RunCheck(
        id="rate_never_falls",
        level="info",
        field=f"hyperparameters.{field}",
        title="The learning rate never falls",
        message=f"The schedule {kind} lowers it after epoch {', '.join(map(str, decays)) or 'none'}, and the run has "
        f"{epochs} epochs.",
        fixes=[change_settings(f"Lower it at {shown}", "hyperparameters", **{field: better})] if epochs > 1 else [],
    )
