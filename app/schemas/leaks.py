"""Images with the same content: in a dataset, across the subsets of a split, and in an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from app.schemas.common import StrictModel


class IdenticalGroup(StrictModel):
    """Some images with the same content, by name."""

    filenames: list[str] = Field(description="The first of them.")
    source_names: list[str] = Field(default_factory=list, description="What these are called in the source.")
    num_images: int
    labels: list[str] = Field(default_factory=list, description="Their labels in words, where these differ.")


class IdenticalImages(StrictModel):
    """Images of a dataset whose files have the same content as another image's."""

    groups: int = Field(0, description="Sets of images with the same content.")
    images: int = Field(0, description="Images in these groups.")
    groups_with_other_labels: int = Field(0, description="Groups whose images do not all have the same label.")
    examples: list[IdenticalGroup] = Field(
        default_factory=list, description="The first groups, those with different labels before the others."
    )

    def in_words(self) -> str:
        """Return how many images are identical and what is wrong with them, empty where none is."""
        if not self.groups:
            return ""
        if self.groups == 1:
            differ = " but have different labels" if self.groups_with_other_labels else ""
            return f"{self.images:,} images are identical{differ}."
        text = f"{self.images:,} images are identical to another image ({self.groups:,} groups)."
        if not self.groups_with_other_labels:
            return text
        return f"{text} In {self.groups_with_other_labels:,} of the groups, the images have different labels."


class IdenticalAcross(StrictModel):
    """Images with the same content in more than one of train, val and test; images in none are not counted."""

    groups: int = Field(0, description="Groups of images with the same content that lie in more than one subset.")
    images: int = Field(0, description="Images in these groups.")
    groups_with_other_labels: int = Field(0, description="Of these groups, those with more than one label.")
    val_in_train: int = Field(0, description="Validation images with the same content as a training image.")
    test_in_train: int = Field(0, description="Test images with the same content as a training image.")
    test_in_val: int = Field(0, description="Test images with the same content as a validation image.")
    groups_together: int = Field(0, description="Groups whose images are all in one subset.")
    images_together: int = Field(0, description="Images in these groups.")


class SplitLeaks(StrictModel):
    """Images of a split that are in more than one subset, by how they were found."""

    identical: IdenticalAcross = Field(default_factory=lambda: IdenticalAcross())


class EvaluatedWithout(StrictModel):
    """The headline metrics over the images that the model was not trained on; empty when there are none."""

    num_images: int
    metrics: dict[str, float] = Field(default_factory=dict)
    intervals: dict[str, Any] = Field(default_factory=dict)
    not_enough_images: dict[str, str] = Field(default_factory=dict, description="Metric: why it has no interval.")


class IdenticalEvaluated(StrictModel):
    """Evaluated images that are identical to a training image without being one themselves."""

    images: int = 0
    other_label: int = Field(0, description="Of these, images whose label none of the same training images has.")
    without: EvaluatedWithout | None = Field(None, description="Null where no image is identical to a training image.")


def say_redrawn(names: Sequence[str], images: str) -> str:
    """Return that splits were created again after a model was trained, and what that means; empty without any."""
    if not names:
        return ""
    listed = ", ".join(f"'{name}'" for name in names)
    what = f"The split {listed} was" if len(names) == 1 else f"The splits {listed} were"
    return f"{what} created again after this model was trained, so {images} may have been used for training."


class EvaluationLeaks(StrictModel):
    """`leaks` in aggregate.json; one field per way of finding them."""

    num_images: int = Field(description="Images that were measured.")
    trained_on: int = Field(0, description="Measured images that the model was trained on themselves.")
    identical: IdenticalEvaluated = Field(default_factory=lambda: IdenticalEvaluated())
    redrawn_splits: list[str] = Field(
        default_factory=list,
        description="Splits that the model was trained on and that were created again before this evaluation, so that "
        "images may have been used for training that are not counted here.",
    )

    def in_words(self) -> str:
        """Return what a reader of the scores has to know, empty where no image is known to be a training image."""
        redrawn = say_redrawn(self.redrawn_splits, "the evaluated images")
        return " ".join(part for part in (redrawn, self._say_identical()) if part)

    def _say_identical(self) -> str:
        found = self.identical
        if not found.images:
            return ""
        every = found.images == self.num_images
        what = "is identical to a training image" if found.images == 1 else "are identical to training images"
        whom = "The only evaluated image" if found.images == 1 else f"All {found.images:,} evaluated images"
        if not every:
            whom = f"{found.images:,} of the {self.num_images:,} evaluated images"
        text = f"{whom} {what}"
        if found.other_label:
            text += f", {found.other_label:,} of them with a different label"
        text += "."
        if self.trained_on:
            more = "image was" if self.trained_on == 1 else "images were"
            text += f" {self.trained_on:,} more {more} used in training themselves."
        return f"{text} {self._say_what_is_left()}"

    def _say_what_is_left(self) -> str:
        without = self.identical.without
        if without is None:
            return "Evaluate again to get the metrics without them."
        if not without.num_images:
            return "No new images are left, so the accuracy on new images is unknown."
        left = "1 image is new" if without.num_images == 1 else f"{without.num_images:,} images are new"
        return f"{left} to the model."
