"""A rotated box [cx, cy, w, h, angle in degrees] in pixels of the image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.annotations.base import ObjectRecord
from app.annotations.objects import ObjectKind
from app.annotations.shapes import Shape, draw_box


class RotatedBox(ObjectRecord, tag="oriented_bbox", frozen=True):
    """A rotated box [cx, cy, w, h, angle in degrees] in pixels of the image."""

    bbox: tuple[float, float, float, float, float]


class RotatedBoxKind(ObjectKind):
    """Images with rotated boxes around objects."""

    id = "rotated_box"
    record = RotatedBox
    example = "Examples: ships in aerial images, tilted text labels"
    icon = "M8 3l10 7-5 8L3 11zM17 17l4 1-1 3-3-1z"
    count_title = "Boxes"

    def draw(self, annotation: Mapping[str, Any], mask_url: str) -> Shape | None:
        """Return the box."""
        return draw_box("rotated_box", annotation)

    def draw_object(self, item: Mapping[str, Any], *, is_prediction: bool) -> Shape | None:
        """Return the shape of an object of a row of results."""
        return draw_box("rotated_box", item, is_prediction=is_prediction)


KIND = RotatedBoxKind()
