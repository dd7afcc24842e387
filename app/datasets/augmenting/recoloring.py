"""Runs photometric transforms that follow each other over the images that drew them; rounds once, at the end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.datasets.augmenting.steps import Mask, PhotometricStep, write_levels
from app.datasets.draws import Floats
from app.datasets.transfer import send_array


@dataclass(frozen=True)
class Recoloring:
    """One transform with what it drew: the images that change (n,), and a row of values for each image (n, k)."""

    step: PhotometricStep
    is_changed: Mask
    values: Floats


def recolor_images(images: Tensor, plan: list[Recoloring], at_once: int) -> Tensor:
    """Return changed uint8 images, `at_once` of them computed together, which makes no difference to their pixels."""
    output = images.clone(memory_format=torch.preserve_format)
    rows = np.flatnonzero(np.logical_or.reduce([part.is_changed for part in plan]))
    for start in range(0, len(rows), at_once):
        _recolor_some(output, images, rows[start : start + at_once], plan)
    return output


def _recolor_some(output: Tensor, images: Tensor, rows: NDArray[np.intp], plan: list[Recoloring]) -> None:
    is_one = len(rows) == 1
    where = slice(int(rows[0]), int(rows[0]) + 1) if is_one else send_array(rows, images.device)
    levels = images[where].to(torch.float32, memory_format=torch.contiguous_format)
    for part in plan:
        chosen = part.is_changed[rows]
        if chosen.all():
            levels = part.step.apply(levels, part.values[rows])
        elif chosen.any():
            some = send_array(np.flatnonzero(chosen), images.device)
            levels[some] = part.step.apply(levels[some], part.values[rows[chosen]])
    write_levels(output, where, levels)
