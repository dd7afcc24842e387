"""Builds random transforms from their names; what they draw depends on (seed, epoch, image) alone.

That makes a run the same with any number of workers, and the same when it is continued. Resizing, cropping to the
centre and normalisation of every image are preprocessing and not here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2

from app.datasets.augmentation_catalog import TRANSFORMS
from app.datasets.sampling import derive_seed
from app.schemas.tasks import AugmentationEntry

_TAKES_SIZE = frozenset({"RandomResizedCrop", "RandomCrop"})
_BATCH_STREAM = 1


class ImageAugmentation:
    """The random transforms of one image, as a chain; it can be sent to a worker process."""

    def __init__(self, entries: Sequence[AugmentationEntry], input_size: tuple[int, int], seed: int) -> None:
        """`input_size` (height, width) is what every image has in the end. Raises LookupError for an unknown name."""
        chosen = [
            entry for entry in entries if TRANSFORMS[entry.name].is_random and not TRANSFORMS[entry.name].is_batch
        ]
        self._transforms = [_build_transform(entry, input_size) for entry in chosen]
        # Cutting a part out of all the pixels keeps detail that cutting out of the small image would have lost.
        self.takes_original = bool(chosen) and chosen[0].name == "RandomResizedCrop"
        self._final_resize = v2.Resize(list(input_size), antialias=True)
        self._input_size = input_size
        self._seed = seed

    def __call__(self, image: Tensor, target: Any, epoch: int, position: int) -> tuple[Tensor, Any]:
        """Return a uint8 image of the input size and its target; a function of its arguments alone."""
        changed = tv_tensors.Image(image)
        with random_stream(derive_seed(self._seed, epoch, position)):
            for transform in self._transforms:
                changed, target = transform(changed, target)
        if tuple(changed.shape[-2:]) != self._input_size:
            changed, target = self._final_resize(changed, target)
        return changed.as_subclass(Tensor), target


class BatchAugmentation:
    """MixUp and CutMix over a batch of images (batch, 3, height, width) and class ids (batch,).

    Images become float 0..255 and the targets shares of classes (batch, num_classes). With both chosen, each batch
    takes one of them.
    """

    def __init__(self, entries: Sequence[AugmentationEntry], num_classes: int, seed: int) -> None:
        chosen = [entry for entry in entries if TRANSFORMS[entry.name].is_batch]
        self._transforms = [getattr(v2, entry.name)(num_classes=num_classes, **_settings(entry)) for entry in chosen]
        self._seed = seed

    @property
    def is_empty(self) -> bool:
        """Whether no batch transform was chosen."""
        return not self._transforms

    def __call__(self, images: Tensor, targets: Tensor, epoch: int, first: int) -> tuple[Tensor, Tensor]:
        """Return the mixed batch; `first` is the position of its first image, which tells batches apart."""
        with random_stream(derive_seed(self._seed, epoch, first, _BATCH_STREAM)):
            number = int(torch.randint(len(self._transforms), ()))
            mixed = self._transforms[number](images.float(), targets)
        return mixed[0], mixed[1]


@contextmanager
def random_stream(seed: int) -> Iterator[None]:
    """Draw from this seed on the CPU inside the block; what follows draws as if the block had not been."""
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)


def _build_transform(entry: AugmentationEntry, input_size: tuple[int, int]) -> v2.Transform:
    settings = _settings(entry)
    if "interpolation" in settings:
        settings["interpolation"] = InterpolationMode(settings["interpolation"])
    if entry.name in _TAKES_SIZE:
        settings["size"] = _pair(settings.get("size") or input_size)
    if entry.name == "RandomCrop":
        settings["pad_if_needed"] = True
        # A mirrored border cannot be wider than the image.
        settings["padding"] = min(settings["padding"], min(input_size) - 1)
    if entry.name == "GaussianBlur":
        settings["kernel_size"] = _limit_kernel(settings["kernel_size"], input_size)
    return getattr(v2, entry.name)(**settings)


def _settings(entry: AugmentationEntry) -> dict[str, Any]:
    chosen = {parameter.name: parameter.default for parameter in TRANSFORMS[entry.name].parameters} | entry.params
    return {name: value for name, value in chosen.items() if value is not None}


def _pair(size: int | Sequence[int]) -> list[int]:
    return [size, size] if isinstance(size, int) else list(size)


def _limit_kernel(kernel_size: int, input_size: tuple[int, int]) -> int:
    # The image is mirrored at its border by half a kernel, which must fit into it.
    largest = 2 * math.ceil(min(input_size) / 2) - 1
    return min(kernel_size, largest)
