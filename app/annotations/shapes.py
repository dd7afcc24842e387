"""What can be drawn over an image. Kinds of annotation make shapes, pages draw them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.number_text import format_share


@dataclass(frozen=True)
class Shape:
    """One shape in pixels of the image.

    box: x, y, width, height. rotated_box: centre x, centre y, width, height, angle in degrees, clockwise.
    polygon: x and y in turn. mask: `url` of an image of the same size, drawn over everything.
    """

    geometry: Literal["box", "rotated_box", "polygon", "mask"]
    numbers: tuple[float, ...] = ()
    label: str = ""
    colour: int = 0
    is_prediction: bool = False
    url: str = ""

    @property
    def series(self) -> int:
        """Number of the colour, from 1 to 8."""
        return self.colour % 8 + 1

    @property
    def points(self) -> str:
        """The corners of a polygon as SVG reads them."""
        pairs = zip(self.numbers[::2], self.numbers[1::2], strict=True)
        return " ".join(f"{x:g},{y:g}" for x, y in pairs)


def draw_outline(annotation: Mapping[str, Any], *, is_prediction: bool = False) -> Shape | None:
    """Return the polygon of an object, else its box, as dataset.json and results have them; None without either."""
    if annotation.get("polygon"):
        corners = tuple(number for point in annotation["polygon"] for number in point)
        return _name("polygon", corners, annotation, is_prediction)
    return draw_box("box", annotation, is_prediction=is_prediction)


def draw_box(
    shape: Literal["box", "rotated_box"], annotation: Mapping[str, Any], *, is_prediction: bool = False
) -> Shape | None:
    """Return the box of an object, None without one."""
    if not annotation.get("bbox"):
        return None
    return _name(shape, tuple(annotation["bbox"]), annotation, is_prediction)


def draw_mask(annotation: Mapping[str, Any], mask_url: str) -> Shape | None:
    """Return the mask of an annotation, None without one; `mask_url` is where its pixels are."""
    return _name("mask", (), annotation, False, mask_url) if annotation.get("mask_path") else None


def _name(
    shape: Literal["box", "rotated_box", "polygon", "mask"],
    numbers: tuple[float, ...],
    annotation: Mapping[str, Any],
    is_prediction: bool,
    url: str = "",
) -> Shape:
    """Return a shape with the class and the confidence of its object."""
    label = str(annotation.get("class_name", ""))
    confidence = annotation.get("confidence")
    text = label if confidence is None else f"{label} {format_share(float(confidence))}"
    return Shape(shape, numbers, text, int(annotation.get("class_id", 0)), is_prediction, url)
