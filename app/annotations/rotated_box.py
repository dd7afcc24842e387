"""A rotated box [cx, cy, w, h, angle in degrees] in pixels of the image."""

from __future__ import annotations

import msgspec

from app.annotations.base import AnnotationKind, AnnotationRecord
from app.annotations.fields import Count


class RotatedBox(AnnotationRecord, tag="oriented_bbox", frozen=True):
    """A rotated box [cx, cy, w, h, angle in degrees] in pixels of the image."""

    class_id: Count
    class_name: str
    bbox: tuple[float, float, float, float, float]

    @property
    def class_label(self) -> str:
        """Name of the class."""
        return self.class_name

    @property
    def is_object(self) -> bool:
        """An image can show many."""
        return True

    def with_class(self, class_id: int, class_name: str) -> RotatedBox:
        """Return the same object under another class."""
        return msgspec.structs.replace(self, class_id=class_id, class_name=class_name)


class RotatedBoxKind(AnnotationKind):
    """Images with rotated boxes around objects."""

    id = "rotated_box"
    record = RotatedBox


KIND = RotatedBoxKind()
