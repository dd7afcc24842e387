"""Image records to pixels: one image as it enters a model, and the dataset that training iterates.

Pixels leave this module as uint8 RGB at the model's size. Normalisation is inside the model; which images and in
which order is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from app.datasets.images import Array, UnreadableImageError, read_rgb, resize_image
from app.datasets.table import ImageRecord
from app.schemas.export import ResizeRecipe


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


class Augment(Protocol):
    """A random change of one training image."""

    @property
    def takes_original(self) -> bool:
        """Whether it wants the image before resizing, e.g. to crop from all its pixels."""
        ...

    def __call__(self, image: Tensor, target: Any, epoch: int, position: int) -> tuple[Tensor, Any]:
        """Return a uint8 image of the model's size and its target; a function of its arguments alone."""
        ...


class Sample(NamedTuple):
    """One image, uint8 (3, height, width), its target, its place in the list of records, the epoch it is drawn for."""

    image: Tensor
    target: Any
    position: int
    epoch: int = 0


class SampleKey(NamedTuple):
    """What a sampler asks for: augmentation depends on the epoch, so a worker must know it."""

    epoch: int
    position: int


class ImageDataset(Dataset[Sample]):
    """Images of a list of records, by position or by SampleKey (which also augments)."""

    def __init__(
        self,
        rows: Sequence[ImageRecord],
        images_dir: Path,
        plan: ResizePlan,
        encode_target: Callable[[ImageRecord], Any] | None = None,
        augment: Augment | None = None,
    ) -> None:
        self._rows = rows
        self._images_dir = images_dir
        self._plan = plan
        self._encode_target = encode_target
        self._augment = augment

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: int | SampleKey) -> Sample:
        """Return one sample; raises ImageReadError."""
        epoch, position = key if isinstance(key, tuple) else (0, key)
        row = self._rows[position]
        target = None if self._encode_target is None else self._encode_target(row)
        if self._augment is None or not isinstance(key, tuple):
            return Sample(read_image(row, self._images_dir, self._plan), target, position, epoch)
        plan = None if self._augment.takes_original else self._plan
        image = read_image(row, self._images_dir, plan)
        return Sample(*self._augment(image, target, epoch, position), position, epoch)


def locate_image(row: ImageRecord, images_dir: Path) -> Path:
    """Return the file of an image, which lies elsewhere when the dataset only refers to its files."""
    return Path(row.source) if row.source else images_dir / row.filename


def read_image(row: ImageRecord, images_dir: Path, plan: ResizePlan | None) -> Tensor:
    """Return an image as uint8 (3, height, width), resized unless the plan is None; raises ImageReadError."""
    return torch.from_numpy(read_pixels(row, images_dir, plan)).permute(2, 0, 1).contiguous()


def read_pixels(row: ImageRecord, images_dir: Path, plan: ResizePlan | None) -> Array:
    """Return an image as uint8 (height, width, 3), resized unless the plan is None; raises ImageReadError."""
    try:
        pixels = read_rgb(locate_image(row, images_dir))
    except UnreadableImageError as error:
        msg = f"The image {row.filename} cannot be read. {error.message} {error.fix}"
        raise ImageReadError(msg) from error
    if plan is not None:
        pixels = resize_image(pixels, plan.recipe, plan.input_size)
    return pixels
