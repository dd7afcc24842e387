"""Images with the same content: in a dataset, across the subsets of a split, and in an evaluation."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from app.schemas.common import StrictModel


class IdenticalGroup(StrictModel):
    """Some images with the same content, by name."""

    filenames: list[str] = Field(description="The first of them.")
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
    """What a split lets through from one subset to another; one field per way of finding it."""

    identical: IdenticalAcross = Field(default_factory=lambda: IdenticalAcross())


class EvaluatedWithout(StrictModel):
    """The headline metrics over the images that the model was not trained on; empty when there are none."""

    num_images: int
    metrics: dict[str, float] = Field(default_factory=dict)
    intervals: dict[str, Any] = Field(default_factory=dict)


class IdenticalEvaluated(StrictModel):
    """Evaluated images that are identical to a training image without being one themselves."""

    images: int = 0
    other_label: int = Field(0, description="Of these, images whose label none of the same training images has.")
    without: EvaluatedWithout | None = Field(None, description="Null where no image is identical to a training image.")


class EvaluationLeaks(StrictModel):
    """`leaks` in aggregate.json; one field per way of finding them."""

    num_images: int = Field(description="Images that were measured.")
    trained_on: int = Field(0, description="Measured images that the model was trained on themselves.")
    identical: IdenticalEvaluated = Field(default_factory=lambda: IdenticalEvaluated())
