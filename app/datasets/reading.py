"""Image records to pixels: one image as it enters a model.

Pixels leave this module as uint8 RGB at the model's size. Normalisation is inside the model; which images and in
which order is decided elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from app.datasets.images import UnreadableImageError, read_resized, read_rgb
from app.datasets.pixels.colours import Array
from app.datasets.table import ImageRecord, describe_name
from app.schemas.export import ResizeRecipe
from app.schemas.pixels import PixelReading


class ImageReadError(RuntimeError):
    """An image of the dataset cannot be read; the message names it, says why and what to do."""


class ResizePlan(Protocol):
    """What reading needs to know of the model; sizes are (height, width) in pixels."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Size of the model's input."""
        ...

    @property
    def recipe(self) -> ResizeRecipe:
        """How an image reaches that size."""
        ...

    @property
    def pixels(self) -> PixelReading:
        """How the samples of a file become 8-bit RGB."""
        ...


def locate_image(row: ImageRecord, images_dir: Path) -> Path:
    """Return the file of an image, which lies elsewhere when the dataset only refers to its files."""
    return Path(row.source) if row.source else images_dir / row.filename


def read_pixels(row: ImageRecord, images_dir: Path, plan: ResizePlan | None) -> Array:
    """Return an image as uint8 (height, width, 3), resized unless the plan is None; raises ImageReadError."""
    path = locate_image(row, images_dir)
    try:
        return read_rgb(path) if plan is None else read_resized(path, plan.recipe, plan.input_size, plan.pixels)
    except UnreadableImageError as error:
        msg = f"The image {describe_name(row)} cannot be read. {error.message} {error.fix}"
        raise ImageReadError(msg) from error
