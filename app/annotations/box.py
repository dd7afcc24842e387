"""A box [x, y, w, h] in pixels of the image."""

from __future__ import annotations

import msgspec

from app.annotations.base import AnnotationKind, AnnotationRecord
from app.annotations.fields import Count


class Box(AnnotationRecord, tag="bbox", frozen=True):
    """A box [x, y, w, h] in pixels of the image."""

    class_id: Count
    class_name: str
    bbox: tuple[float, float, float, float]

    @property
    def class_label(self) -> str:
        """Name of the class."""
        return self.class_name

    @property
    def is_object(self) -> bool:
        """An image can show many."""
        return True

    def with_class(self, class_id: int, class_name: str) -> Box:
        """Return the same object under another class."""
        return msgspec.structs.replace(self, class_id=class_id, class_name=class_name)


class BoxKind(AnnotationKind):
    """Images with boxes around objects."""

    id = "box"
    record = Box


KIND = BoxKind()
