"""Typed descriptions of what is drawn over an image. Turning annotations into shapes is the caller's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Shape:
    """One shape in pixels of the image.

    box: x, y, width, height. rotated_box: centre x, centre y, width, height, angle in degrees, clockwise.
    polygon: x and y in turn. mask: `url` of an image of the same size, drawn over everything.
    """

    kind: Literal["box", "rotated_box", "polygon", "mask"]
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


@dataclass(frozen=True)
class Picture:
    """An image with what is drawn over it. `url` of the pixels, `href` of what a click opens, empty for nothing."""

    url: str
    alt: str
    width: int
    height: int
    caption: str = ""
    href: str = ""
    shapes: tuple[Shape, ...] = ()
