"""Takes images at the places that maps name, by one grid_sample for a batch. What the maps mean is not known here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.nn import functional

from app.datasets.augmenting.steps import Size, empty_images, find_memory_format, write_levels
from app.datasets.draws import Floats
from app.datasets.transfer import send_array

_REDUCTION_WITHOUT_ALIASES = 1.25
# So many images at a time occupy the cores and stay in their caches; torch gives each thread whole images.
_CPU_IMAGES = 4


@dataclass(frozen=True)
class Sampling:
    """How places between pixels, and those outside, get their levels.

    mode: nearest, bilinear or bicubic. Outside is the grey level `fill`, or for None the nearest pixel of the border.
    factor: so many samples per pixel and direction are averaged.
    """

    mode: str
    fill: float | None = None
    factor: int = 1


def sample_images(images: Tensor, maps: Floats, size: Size, sampling: Sampling) -> Tensor:
    """Return uint8 images of `size` whose pixels are those of `images` at maps @ (x, y, 1)."""
    output = empty_images(images, size)
    step = len(maps) if images.device.type != "cpu" else _CPU_IMAGES
    for start in range(0, len(maps), step):
        part = slice(start, start + step)
        write_levels(output, part, sample_levels(images[part], maps[part], size, sampling))
    return output


def sample_moved(images: Tensor, maps: Floats, sampling: Sampling) -> Tensor:
    """Return uint8 images of the same size, sampled where their map moves anything and copied where not."""
    size = (int(images.shape[-2]), int(images.shape[-1]))
    moved = np.flatnonzero((maps != np.eye(3)).any(axis=(1, 2)))
    if len(moved) == len(maps):
        return sample_images(images, maps, size, sampling)
    output = empty_images(images, size).copy_(images)
    if len(moved):
        rows = send_array(moved, images.device)
        chosen = images[rows].contiguous(memory_format=find_memory_format(images))
        output[rows] = sample_images(chosen, maps[moved], size, sampling)
    return output


def sample_levels(images: Tensor, maps: Floats, size: Size, sampling: Sampling) -> Tensor:
    """Return float images (n, channels, *size) whose pixels are those of `images` at maps @ (x, y, 1)."""
    factor, fill = sampling.factor, sampling.fill
    grid = _build_grid(maps, (size[0] * factor, size[1] * factor), factor, images)
    levels = images.float()
    if fill:
        levels = levels.sub_(fill)
    padding = "border" if fill is None else "zeros"
    levels = functional.grid_sample(levels, grid, mode=sampling.mode, padding_mode=padding, align_corners=False)
    if factor > 1:
        levels = functional.avg_pool2d(levels, factor)
    if fill:
        levels = levels.add_(fill)
    return levels.clamp_(0.0, 255.0) if sampling.mode == "bicubic" else levels


def choose_factor(source: Size, size: Size) -> int:
    """Return the samples per pixel that keep a reduction from `source` to `size` from aliasing."""
    reduction = max(source[0] / size[0], source[1] / size[1])
    return 1 if reduction <= _REDUCTION_WITHOUT_ALIASES else min(4, int(np.ceil(reduction)))


def _build_grid(maps: Floats, size: Size, factor: int, images: Tensor) -> Tensor:
    """Return (n, height, width, 2) places on -1..1.

    Sums of a row and a column and not a matrix product, which rounds as the number of threads has it.
    """
    height, width = images.shape[-2:]
    scaled = maps.copy()
    scaled[:, 0] = scaled[:, 0] * (2.0 / width) - scaled[:, 2]
    scaled[:, 1] = scaled[:, 1] * (2.0 / height) - scaled[:, 2]
    columns = (np.arange(size[1]) + 0.5) / factor
    rows = (np.arange(size[0]) + 0.5) / factor
    along = scaled[:, :, 0, None] * columns + scaled[:, :, 2, None]
    across = scaled[:, :, 1, None] * rows
    # One copy to the device for both.
    both = np.concatenate([along, across], axis=2).transpose(0, 2, 1).astype(np.float32)
    sent = send_array(both, images.device)
    places = sent[:, None, : size[1]] + sent[:, size[1] :, None]
    grid = places[..., :2]
    has_perspective = bool(np.any(maps[:, 2] != np.array([0.0, 0.0, 1.0])))
    return grid / places[..., 2:] if has_perspective else grid
