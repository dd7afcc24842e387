"""Checks before a run that concern the model: the weights that it begins with, what is frozen, its input size."""

from __future__ import annotations

from collections.abc import Iterator

from app.schemas.run_checks import CheckLevel, RunCheck, RunFix
from app.tasks.run_facts import RunFacts, change_settings

ENOUGH_TO_BEGIN_WITH = 1000
"""Training images with which training from scratch usually gets somewhere."""
SMALLEST_SIDE = 32
"""The networks halve an image five times, so of less than this only a single pixel is left."""
SMALLEST_PRETRAINED_SIDE = 64


def check_weights(facts: RunFacts) -> Iterator[RunCheck]:
    """Pretrained weights must be on this machine, or be downloaded."""
    weights = facts.weights
    if not facts.lacks_weights:
        return
    begin = f"The pretrained weights of this model ({weights.file}) are not on this machine"
    level: CheckLevel = "info" if weights.can_download else "warning"
    if weights.can_download is False:
        level = "error"
        message = (
            f"{begin}, and {weights.url} cannot be reached from here, so the run would fail. Train from scratch, or "
            f"download the file on another computer and add it here."
        )
    else:
        message = (
            f"{begin}; the run downloads them from {weights.url}. Without internet, train from scratch or add the file."
        )
    yield RunCheck(
        id="weights_missing",
        level=level,
        field="model.pretrained",
        title="Pretrained weights are missing" if weights.can_download is not True else "Pretrained weights",
        message=message,
        fixes=[
            change_settings("Train from scratch", "model", pretrained=False, freeze_backbone=False),
            _add_file(facts),
        ],
    )


def _add_file(facts: RunFacts) -> RunFix:
    return RunFix(label="Add the weights file", weights_for=facts.model.backbone)


def check_frozen(facts: RunFacts) -> Iterator[RunCheck]:
    """A frozen backbone needs weights that have learned something."""
    if facts.is_from_scratch and facts.model.freeze_backbone:
        fixes = [change_settings("Train the whole network", "model", freeze_backbone=False)]
        if facts.has_weights_in_reach:
            fixes.append(change_settings("Use pretrained weights", "model", pretrained=True))
        elif facts.weights.file:
            fixes.append(_add_file(facts))
        yield RunCheck(
            id="frozen_without_weights",
            level="warning",
            field="model.freeze_backbone",
            title="The frozen backbone is random",
            message="Without pretrained weights the backbone begins with random numbers, and freezing keeps them, so "
            "the head gets random features. Train the whole network, or start from pretrained weights.",
            fixes=fixes,
        )


def check_scratch(facts: RunFacts) -> Iterator[RunCheck]:
    """Say what to expect of few images without pretrained weights."""
    count = facts.data.num_train
    if not facts.is_from_scratch or facts.model.freeze_backbone or not 0 < count < ENOUGH_TO_BEGIN_WITH:
        return
    if facts.has_one_class:  # there is nothing to learn, with whatever weights
        return
    results = "results near chance" if facts.data.train_classes else "poor results"
    advice, fixes = _advise_weights(facts)
    yield RunCheck(
        id="few_images_from_scratch",
        level="warning" if facts.weights.is_here and fixes else "info",
        field="model.pretrained",
        title="1 image is not enough to train from scratch"
        if count == 1
        else f"{count:,} images are few to train from scratch",
        message=f"Expect {results} for many epochs: a network with random weights usually needs thousands "
        f"of images, or very simple ones.{advice}",
        fixes=fixes,
    )


def _advise_weights(facts: RunFacts) -> tuple[str, list[RunFix]]:
    """Return what pretrained weights would do for a run from scratch, and how it gets them."""
    if not facts.weights.file:
        return "", []
    better = " Pretrained weights usually do much better with so few images"
    if not facts.has_weights_in_reach:
        return f"{better}, but {facts.weights.url} cannot be reached from here. Add the file first.", [_add_file(facts)]
    download = "" if facts.weights.is_here else f" They are downloaded once from {facts.weights.url}."
    return f"{better}.{download}", [change_settings("Use pretrained weights", "model", pretrained=True)]


def check_size(facts: RunFacts) -> Iterator[RunCheck]:
    """The network needs more than a few pixels."""
    is_pretrained = facts.model.pretrained and not facts.has_start
    smallest = SMALLEST_PRETRAINED_SIDE if is_pretrained else SMALLEST_SIDE
    side = min(facts.input_size)
    if side >= smallest:
        return
    reason = (
        "The pretrained weights were made for images of about 224 pixels and recognise little in such small ones"
        if is_pretrained and side >= SMALLEST_SIDE
        else "The network halves an image five times, so hardly more than one pixel of it is left"
    )
    yield RunCheck(
        id="image_too_small",
        level="warning",
        field="hyperparameters.image_size",
        title="The image size is too small for this model",
        message=f"Images are resized to {facts.input_size[1]} × {facts.input_size[0]} pixels. {reason}. Use at least "
        f"{smallest} pixels.",
        fixes=[change_settings(f"Use {smallest} pixels", "hyperparameters", image_size=smallest)],
    )
