"""How the samples of an image file become 8-bit RGB: decided once for a dataset, and carried by its models."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from app.schemas.common import FrozenModel

Level = Annotated[int, Field(ge=0, le=255)]
WHITE = (255, 255, 255)
BLACK = (0, 0, 0)


class ScaleChoice(FrozenModel):
    """The values that become black and white, as a user gives them."""

    min: float = Field(description="This value and everything below it becomes grey level 0.")
    max: float = Field(description="This value and everything above it becomes grey level 255.")

    @model_validator(mode="after")
    def _is_a_range(self) -> ScaleChoice:
        span = self.max - self.min
        if not (0.0 < span < float("inf") and 255.0 / span < float("inf")):
            msg = f"The largest value has to be above the smallest one: min is {self.min:g}, max is {self.max:g}."
            raise ValueError(msg)
        return self


class PixelScale(ScaleChoice):
    """How values beyond 8 bit become grey levels, the same for all images of a dataset."""

    how: str = Field("", description="How the range was found, in words.")
    has_unit_images: bool = Field(
        False, description="Images of floating-point values from 0 to 1 are read as 0 to 1, whatever min and max are."
    )


class PixelReading(FrozenModel):
    """How pixels are read. Without a scale each image beyond 8 bit is scaled by its type or its own range."""

    scale: PixelScale | None = None
    background: list[Level] | None = Field(
        default=list(WHITE),
        min_length=3,
        max_length=3,
        description="Colour that transparent images are laid on; null: transparency is ignored.",
    )


CURRENT = PixelReading()
"""For images of no dataset, or of one without images beyond 8 bit."""

LEGACY = PixelReading(background=None)
"""How datasets and checkpoints are read that say nothing of it: they were made before there was a choice."""
