"""One class for the whole image."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import msgspec

from app.annotations.base import AnnotationKind, AnnotationRecord, Annotations, class_of
from app.annotations.fields import Count


class Label(AnnotationRecord, tag="label", frozen=True, gc=False):
    """One class for the whole image."""

    class_id: Count
    class_name: str

    @property
    def class_label(self) -> str:
        """Name of the class."""
        return self.class_name

    def with_class(self, class_id: int, class_name: str) -> Label:
        """Return the label of another class."""
        return msgspec.structs.replace(self, class_id=class_id, class_name=class_name)


class LabelKind(AnnotationKind):
    """Images with one class each."""

    id = "label"
    record = Label
    example = "Examples: good or defective parts, species, plant diseases"
    icon = "M4 4h9l7 8-8 8-8-8zM8.5 8.5h.01"
    has_colours = False
    has_many_classes = False
    formats = ("image_folders", "coco", "csv")
    table_target = "class"

    def dominant_class(self, annotations: Annotations) -> str | None:
        """Return the class of an image."""
        return class_of(annotations)

    def find_fault(self, annotations: Sequence[Any], classes: Sequence[str], value_names: Sequence[str]) -> str:
        """Return which label has another class than its number says."""
        # A million labels are as many different pairs as there are classes: the set is made in C.
        for class_id, class_name in set(map(attrgetter("class_id", "class_name"), annotations)):
            if class_id >= len(classes) or classes[class_id] != class_name:
                return f"annotations: {class_name!r} is not the class {class_id} of the dataset"
        return ""


KIND = LabelKind()
