"""A box [x, y, w, h] in pixels of the image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.annotations.base import ObjectRecord
from app.annotations.objects import ObjectKind
from app.annotations.shapes import Shape, draw_box


class Box(ObjectRecord, tag="bbox", frozen=True):
    """A box [x, y, w, h] in pixels of the image."""

    bbox: tuple[float, float, float, float]


class BoxKind(ObjectKind):
    """Images with boxes around objects."""

    id = "box"
    record = Box
    example = "Examples: finding and counting cars, people, fruit"
    icon = "M3 5h9v8H3zM14 11h7v8h-7z"
    count_title = "Boxes"

    def draw(self, annotation: Mapping[str, Any], mask_url: str) -> Shape | None:
        """Return the box."""
        return draw_box("box", annotation)

    def draw_object(self, item: Mapping[str, Any], *, is_prediction: bool) -> Shape | None:
        """Return the shape of an object of a row of results."""
        return draw_box("box", item, is_prediction=is_prediction)


KIND = BoxKind()
