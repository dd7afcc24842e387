"""One object with its outline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.annotations.base import ObjectRecord
from app.annotations.objects import ObjectKind
from app.annotations.shapes import Shape, draw_mask, draw_outline


class Instance(ObjectRecord, tag="instance", frozen=True, omit_defaults=True):
    """One object with its outline."""

    bbox: tuple[float, float, float, float] | None = None
    mask_path: str | None = None
    polygon: list[tuple[float, float]] | None = None


class InstanceKind(ObjectKind):
    """Images with the outline of each object."""

    id = "instance"
    record = Instance
    example = "Examples: measuring each cell, picking single parts"
    icon = "M8 4c3 0 5 2 4 5s-5 4-7 2-1-7 3-7zM16 11c4 0 5 4 3 7s-7 2-7-1 1-6 4-6z"

    def draw(self, annotation: Mapping[str, Any], mask_url: str) -> Shape | None:
        """Return what says most about where the object is: its polygon, its mask, its box."""
        mask = None if annotation.get("polygon") else draw_mask(annotation, mask_url)
        return mask or draw_outline(annotation)

    def draw_object(self, item: Mapping[str, Any], *, is_prediction: bool) -> Shape | None:
        """Return the shape of an object of a row of results."""
        return draw_outline(item, is_prediction=is_prediction)


KIND = InstanceKind()
