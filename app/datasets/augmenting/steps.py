"""What a transform of the chain is: it takes its share of the drawn numbers, and changes images with what they mean.

A geometric one says where each pixel comes from, as maps (n, 3, 3) from output to input. Coordinates are (x, y, 1)
in pixels, with (0, 0) at the outer corner of the first pixel, whose centre is (0.5, 0.5). Which transforms there are
is not known here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.datasets.augmentation_catalog import TRANSFORMS
from app.datasets.draws import Floats
from app.datasets.transfer import send
from app.schemas.tasks import AugmentationEntry

Size = tuple[int, int]
"""(height, width) in pixels."""

Settings = dict[str, Any]
Mask = NDArray[np.bool_]


class GeometricStep(ABC):
    """Moves pixels. The maps hold everything that was drawn, so boxes and masks can follow the image."""

    num_draws: int = 0

    def find_output_size(self, size: Size) -> Size:
        """Return the size of what comes out for images of `size`; the same unless a transform says otherwise."""
        return size

    @abstractmethod
    def draw_maps(self, uniforms: Floats, size: Size) -> Floats:
        """Return (n, 3, 3) maps for images of `size` from (n, num_draws) numbers in [0, 1)."""

    @abstractmethod
    def render(self, images: Tensor, maps: Floats) -> Tensor:
        """Return new uint8 images as the maps say; they can be those of this step with mirrorings after it."""


class PhotometricStep(ABC):
    """Changes grey levels where they are."""

    num_draws: int = 0

    @abstractmethod
    def draw_values(self, uniforms: Floats, size: Size) -> tuple[Mask, Floats]:
        """Return which images change (n,), and what was drawn for each of them (n, k)."""

    @abstractmethod
    def apply(self, images: Tensor, values: Floats) -> Tensor:
        """Return changed images, float (m, 3, height, width) within 0..255; the ones that came in can be overwritten.

        Only operations that round each element by itself, or sum integers, may be used: others give results that
        depend on the number of threads and on the company.
        """


def read_settings(entry: AugmentationEntry) -> Settings:
    """Return all parameters of a transform, the catalogue's defaults for those that were not chosen."""
    return {parameter.name: parameter.default for parameter in TRANSFORMS[entry.name].parameters} | entry.params


def spread(column: Floats, like: Tensor) -> Tensor:
    """Return one number per image as a tensor (m, 1, 1, 1) that multiplies images."""
    return send(torch.tensor(column, dtype=torch.float32), like.device).view(-1, 1, 1, 1)


def scale_uniforms(uniforms: Floats, low: float, high: float) -> Floats:
    """Bring numbers from [0, 1) to [low, high)."""
    return low + uniforms * (high - low)


def choose_integers(uniforms: Floats, count: Any) -> Floats:
    """Return whole numbers from 0 to count - 1, all equally likely; `count` is a number or an array."""
    return np.asarray(np.minimum(np.floor(uniforms * count), np.asarray(count) - 1))


def identity_maps(count: int) -> Floats:
    """Return (count, 3, 3) maps that leave everything where it is."""
    return np.tile(np.eye(3), (count, 1, 1))


def empty_images(like: Tensor, size: Size) -> Tensor:
    """Return uninitialised uint8 images of a size, as many and in the same memory format as those given."""
    shape = (like.shape[0], like.shape[1], *size)
    return torch.empty(shape, dtype=torch.uint8, device=like.device, memory_format=find_memory_format(like))


def find_memory_format(images: Tensor) -> torch.memory_format:
    """Return channels_last for images that are stored so and not contiguous as well."""
    is_channels_last = images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()
    return torch.channels_last if is_channels_last else torch.contiguous_format


def write_levels(output: Tensor, where: slice | Tensor, levels: Tensor) -> None:
    """Round levels (m, 3, height, width) within 0..255 into the uint8 images of `output` at `where`."""
    rounded = levels.round_()
    if levels.device.type != "cpu":
        output[where] = rounded.to(torch.uint8)
        return
    # Twice as fast as one assignment: float32 to uint8 is not vectorised in torch, nor is interleaving channels.
    whole = rounded.to(torch.int16).to(torch.uint8)
    for channel in range(output.shape[1]):
        output[where, channel] = whole[:, channel]
