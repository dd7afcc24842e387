"""Previews of augmentations: the request, the message to the process that draws them, and its answer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.schemas.common import StrictModel
from app.schemas.names import KnownName
from app.schemas.pixels import CURRENT, PixelReading
from app.schemas.tasks import AugmentationEntry

Entries = Annotated[list[AugmentationEntry], Field(max_length=32)]
ResizeMode = Literal["stretch", "crop", "letterbox"]


class AugmentationPreviewRequest(StrictModel):
    """Transforms to show on training images of a split; they need not be saved."""

    split_name: KnownName
    entries: Entries = Field(description="Transforms of the training images, in their order.")
    val: Entries = Field(default_factory=list, description="Transforms of every other image: they decide the size.")
    image_size: int = Field(224, ge=16, le=2048, description="Side in pixels that images are resized to.")
    resize_mode: ResizeMode = "stretch"
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Start value of the random transforms.")
    num_images: int = Field(8, ge=1, le=12)


class PreviewSource(StrictModel):
    """An image to draw on; `path` is absolute."""

    filename: str
    source_name: str = Field("", description="Its name in the source that was imported.")
    path: str


class AugmentationPreviewMessage(StrictModel):
    """What a job of the kind `augment` is asked; the answer is `<id>.json` in its output directory."""

    id: str
    sources: list[PreviewSource]
    entries: Entries
    val: Entries
    image_size: int
    resize_mode: ResizeMode
    seed: int
    pixels: PixelReading = CURRENT


class PreviewImage(StrictModel):
    """One training image as a model would see it."""

    filename: str
    source_name: str = Field("", description="Its name in the source that was imported.")
    data_url: str = Field(description="A small JPEG as an address of the scheme data.")


class AugmentationPreview(StrictModel):
    """The images that could be read, and the others by name with the reason."""

    images: list[PreviewImage]
    width: int = Field(description="Of what the model gets, in pixels; the images here are at most 160 px.")
    height: int
    skipped: dict[str, str] = Field(default_factory=dict)
    duration_ms: float
