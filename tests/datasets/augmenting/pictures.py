"""Batches of pictures for the tests of augmentations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from app.datasets.augmenting.chain import BatchAugmentation
from app.datasets.augmenting.maps import MoveTargets
from app.schemas.tasks import AugmentationEntry

Size = tuple[int, int]


def entry(name: str, **params: Any) -> AugmentationEntry:
    return AugmentationEntry(name=name, params=params)


def make_images(count: int = 4, size: Size = (32, 40), seed: int = 1, smooth: bool = True) -> Tensor:
    """Return uint8 images in channels_last; smooth ones have no edges on which resampling rules differ."""
    generator = torch.Generator().manual_seed(seed)
    coarse = size if not smooth else (size[0] // 8 + 2, size[1] // 8 + 2)
    levels = torch.randint(10, 246, (count, 3, *coarse), generator=generator).float()
    if smooth:
        levels = functional.interpolate(levels, size, mode="bicubic", align_corners=False)
    return levels.clamp(0, 255).to(torch.uint8).contiguous(memory_format=torch.channels_last)


def build(
    *entries: AugmentationEntry, size: Size = (32, 40), seed: int = 1, move_targets: MoveTargets | None = None
) -> BatchAugmentation:
    return BatchAugmentation(entries, size, seed, num_classes=6, move_targets=move_targets)
