"""One object with its outline."""

from __future__ import annotations

import msgspec

from app.annotations.base import AnnotationKind, AnnotationRecord
from app.annotations.fields import Count


class Instance(AnnotationRecord, tag="instance", frozen=True, omit_defaults=True):
    """One object with its outline."""

    class_id: Count
    class_name: str
    bbox: tuple[float, float, float, float] | None = None
    mask_path: str | None = None
    polygon: list[tuple[float, float]] | None = None

    @property
    def class_label(self) -> str:
        """Name of the class."""
        return self.class_name

    @property
    def is_object(self) -> bool:
        """An image can show many."""
        return True

    def with_class(self, class_id: int, class_name: str) -> Instance:
        """Return the same object under another class."""
        return msgspec.structs.replace(self, class_id=class_id, class_name=class_name)


class InstanceKind(AnnotationKind):
    """Images with the outline of each object."""

    id = "instance"
    record = Instance


KIND = InstanceKind()
