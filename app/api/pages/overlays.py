"""An image with the shapes that a page draws over it. The kinds of annotation make the shapes."""

from __future__ import annotations

from dataclasses import dataclass

from app.annotations.shapes import Shape


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
