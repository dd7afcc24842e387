"""Checks before a run that concern its images, classes and values."""

from __future__ import annotations

from collections.abc import Iterator

from app.datasets.run_data import LARGEST_VALUE
from app.schemas.run_checks import RunCheck
from app.tasks.run_facts import GO_TO_DATASET, GO_TO_SPLIT, RunFacts, list_names


def check_images(facts: RunFacts) -> Iterator[RunCheck]:
    """The split needs images to learn from and to validate with."""
    if facts.data.num_train == 0:
        yield RunCheck(
            id="no_training_images",
            level="error",
            field="split_name",
            title="The split has no training images",
            message="There is nothing to learn from. Create a split with training images, or choose another one.",
            fixes=[GO_TO_SPLIT],
        )
    elif facts.data.counts.get("val", 0) == 0:
        yield RunCheck(
            id="no_validation_images",
            level="warning",
            field="split_name",
            title="The split has no validation images",
            message="Training cannot tell when the model only memorises its images, and the best epoch is chosen by "
            "the training loss. Create a split with validation images.",
            fixes=[GO_TO_SPLIT],
        )


def check_classes(facts: RunFacts) -> Iterator[RunCheck]:
    """Every class needs training images, and there should be at least two."""
    unseen, classes = facts.data.unseen_classes, facts.data.train_classes
    if unseen and facts.data.num_train:
        yield RunCheck(
            id="class_without_training_images",
            level="warning",
            field="split_name",
            title="Classes without training images",
            message=f"No training image shows {list_names(unseen)}, so the model never predicts "
            f"{'this class' if len(unseen) == 1 else 'these classes'}, and validation and test images of "
            f"{'it' if len(unseen) == 1 else 'them'} always count as wrong. Create a split with training images of "
            f"every class.",
            fixes=[GO_TO_SPLIT],
        )
    if facts.has_one_class:
        yield RunCheck(
            id="one_class",
            level="warning",
            field="split_name",
            title="Only one class",
            message=f"Every training image shows {list_names(list(classes))}, so there is nothing to tell apart and "
            f"every score is perfect. Import images of at least two classes.",
            fixes=[GO_TO_DATASET],
        )


def check_values(facts: RunFacts) -> Iterator[RunCheck]:
    """Values must fit into the arithmetic and differ from each other."""
    data = facts.data
    if data.too_large:
        name, value = data.too_large[0]
        more = len(data.too_large) - 1
        others = f", and {more:,} more value{'' if more == 1 else 's'} like it" if more else ""
        yield RunCheck(
            id="value_too_large",
            level="error",
            field="split_name",
            title="A value is too large to train on",
            message=f"{name} has the value {value:g}{others}. Training can use values up to "
            f"{LARGEST_VALUE:g}. Correct the table and import it again, or use a split without this image.",
            fixes=[GO_TO_DATASET, GO_TO_SPLIT],
        )
    elif data.far_away is not None:
        far = data.far_away
        yield RunCheck(
            id="value_far_away",
            level="warning",
            field="split_name",
            title="A value is far away from the others",
            message=f"{far.name} has {data.name_value(far.column)} = {far.value:g}, while half of the training "
            f"images are between {far.low:g} and {far.high:g}. Training scales values by their spread, so next to "
            f"this one all others look the same. "
            f"Correct or remove it, or import the logarithm of the values.",
            fixes=[GO_TO_DATASET],
        )
    if data.constant_columns and data.num_train > 1:
        names = [data.name_value(place) for place in data.constant_columns]
        which = f"{list_names(names)} {'is' if len(names) == 1 else 'are'}" if data.num_values > 1 else "The value is"
        yield RunCheck(
            id="constant_values",
            level="warning",
            field="split_name",
            title="Nothing to learn from the values",
            message=f"{which} the same in every training image, so the model can only learn that number.",
            fixes=[GO_TO_DATASET],
        )
