"""Where an image lies in the model's input: the arithmetic of resizing, for points and boxes. Torch-free.

`images.resize_image` moves pixels by the same numbers, so a target drawn in the input lies on its object, and what a
model finds there can be shown on the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.datasets.table import ImageRecord
from app.schemas.export import ResizeRecipe

if TYPE_CHECKING:
    from app.datasets.reading import ResizePlan  # imports torch

Floats = NDArray[np.float64]
Size = tuple[int, int]
"""(height, width) in pixels."""


@dataclass(frozen=True)
class Placement:
    """How one image reaches the model's input. Sizes are (height, width), of the image after EXIF orientation.

    Points are (x, y) in pixels, with (0, 0) at the outer corner of the first pixel, whose centre is (0.5, 0.5).
    """

    recipe: ResizeRecipe
    image_size: Size
    input_size: Size

    @cached_property
    def resized_size(self) -> Size:
        """Size of the whole image after resizing, before it is cropped or padded."""
        height, width = self.image_size
        size = self.recipe.size
        if self.recipe.mode == "stretch":
            return size[0], size[1]
        if self.recipe.mode == "crop":
            shorter = min(height, width)
            resized = [size[0] if side == shorter else size[0] * side // shorter for side in (height, width)]
            return resized[0], resized[1]
        scale = min(size[1] / width, size[0] / height)
        return max(1, round(height * scale)), max(1, round(width * scale))

    @cached_property
    def offset(self) -> tuple[int, int]:
        """Where the upper left corner of the resized image lies in the input, (x, y); negative when it is cut off."""
        height, width = self.resized_size
        if self.recipe.mode == "crop":
            # Rounded down before the sign changes, as the crop of pixels is.
            return -((width - self.input_size[1]) // 2), -((height - self.input_size[0]) // 2)
        return (self.input_size[1] - width) // 2, (self.input_size[0] - height) // 2

    @cached_property
    def window(self) -> tuple[int, int, int, int]:
        """Box (x1, y1, x2, y2) of the input that shows the image; the rest is padding."""
        (left, top), (height, width) = self.offset, self.resized_size
        return max(0, left), max(0, top), min(self.input_size[1], left + width), min(self.input_size[0], top + height)

    @cached_property
    def seen(self) -> tuple[float, float, float, float]:
        """Box (x1, y1, x2, y2) of the image that lies in the input; a crop leaves out the rest."""
        x1, y1, x2, y2 = self.boxes_to_image(np.array([self.window], dtype=np.float64))[0].tolist()
        return x1, y1, x2, y2

    def to_input(self, points: Floats) -> Floats:
        """Return points (..., 2) of the image in the input; they can lie outside of it."""
        return np.asarray(points * self._scale + self._shift)

    def to_image(self, points: Floats) -> Floats:
        """Return points (..., 2) of the input in the image; those on padding lie outside of it."""
        return np.asarray((points - self._shift) / self._scale)

    def boxes_to_input(self, boxes: Floats) -> Floats:
        """Return boxes (n, 4) x1, y1, x2, y2 of the image in the input, not clipped."""
        return self.to_input(boxes.reshape(-1, 2, 2)).reshape(-1, 4)

    def boxes_to_image(self, boxes: Floats) -> Floats:
        """Return boxes (n, 4) x1, y1, x2, y2 of the input in the image, not clipped."""
        return self.to_image(boxes.reshape(-1, 2, 2)).reshape(-1, 4)

    def clip_boxes(self, boxes: Floats) -> Floats:
        """Return boxes (n, 4) of the input cut off at the part that shows the image; hidden ones have no area."""
        low, high = np.array(self.window, dtype=np.float64).reshape(2, 2)
        return np.asarray(np.clip(boxes.reshape(-1, 2, 2), low, high)).reshape(-1, 4)

    @cached_property
    def _scale(self) -> Floats:
        (height, width), (resized_height, resized_width) = self.image_size, self.resized_size
        return np.array([resized_width / width, resized_height / height])

    @cached_property
    def _shift(self) -> Floats:
        return np.array(self.offset, dtype=np.float64)


def place_row(row: ImageRecord, plan: ResizePlan) -> Placement:
    """Return where the image of a record lies in the input of a plan."""
    return Placement(plan.recipe, (row.height, row.width), plan.input_size)
