"""Takes images at the places that maps name, by one grid_sample for a batch. What the maps mean is not known here."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from app.datasets.augmenting.steps import Size, empty_images, find_memory_format
from app.datasets.draws import Floats

_REDUCTION_WITHOUT_ALIASES = 1.25


def sample_images(
    images: Tensor, maps: Floats, size: Size, mode: str, fill: float | None = None, factor: int = 1
) -> Tensor:
    """Return uint8 images of `size` whose pixels are those of `images` at maps @ (x, y, 1).

    mode: nearest, bilinear or bicubic. Outside is the grey level `fill`, or for None the nearest pixel of the border.
    factor: so many samples per pixel and direction are averaged.
    """
    height, width = size
    grid = _build_grid(maps, (height * factor, width * factor), factor, images)
    sampled = images.float()
    if fill:
        sampled = sampled.sub_(fill)
    padding = "border" if fill is None else "zeros"
    sampled = functional.grid_sample(sampled, grid, mode=mode, padding_mode=padding, align_corners=False)
    if factor > 1:
        sampled = functional.avg_pool2d(sampled, factor)
    if fill:
        sampled = sampled.add_(fill)
    if mode == "bicubic":
        sampled = sampled.clamp_(0.0, 255.0)
    return sampled.round_().to(torch.uint8, memory_format=find_memory_format(images))


def sample_moved(images: Tensor, maps: Floats, mode: str, fill: float) -> Tensor:
    """Return uint8 images of the same size, sampled where their map moves anything and copied where not."""
    size = (int(images.shape[-2]), int(images.shape[-1]))
    moved = np.flatnonzero((maps != np.eye(3)).any(axis=(1, 2)))
    if len(moved) == len(maps):
        return sample_images(images, maps, size, mode, fill)
    output = empty_images(images, size).copy_(images)
    if len(moved):
        rows = torch.from_numpy(moved).to(images.device)
        chosen = images[rows].contiguous(memory_format=find_memory_format(images))
        output[rows] = sample_images(chosen, maps[moved], size, mode, fill)
    return output


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
    along_, across_ = (torch.from_numpy(part).float().to(images.device) for part in (along, across))
    grid = torch.empty((len(maps), *size, 2), device=images.device)
    for axis in (0, 1):
        torch.add(along_[:, axis, None, :], across_[:, axis, :, None], out=grid[..., axis])
    if np.any(maps[:, 2] != np.array([0.0, 0.0, 1.0])):
        grid /= (along_[:, 2, None, :] + across_[:, 2, :, None]).unsqueeze(-1)
    return grid
