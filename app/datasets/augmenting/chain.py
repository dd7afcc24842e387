"""The random transforms of a training run, in the user's order, for batches of uint8 images on any device.

Each image draws its own parameters, all of them from seed, epoch and its position (`app/datasets/draws.py`), and on
the CPU its pixels do not depend on threads or on the other images either. Only MixUp and CutMix look at the batch.
Resizing, cropping to the centre and normalisation of every image are preprocessing and not here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from types import MappingProxyType
from typing import Any

import numpy as np
from torch import Tensor

from app.datasets.augmentation_catalog import TRANSFORMS
from app.datasets.augmenting.cropping import (
    Flip,
    HorizontalFlip,
    PaddedCrop,
    ResizedCrop,
    VerticalFlip,
    resize_images,
)
from app.datasets.augmenting.maps import BatchMaps, MoveTargets, follow_step, start_maps
from app.datasets.augmenting.mixing import CutMix, Mixing, MixUp
from app.datasets.augmenting.photometric import (
    Autocontrast,
    ColorJitter,
    Equalize,
    GaussianBlur,
    Grayscale,
    Posterize,
    Solarize,
)
from app.datasets.augmenting.recoloring import Recoloring, recolor_images
from app.datasets.augmenting.steps import (
    GeometricStep,
    PhotometricStep,
    Settings,
    Size,
    identity_maps,
    read_settings,
)
from app.datasets.augmenting.warping import Affine, Perspective, Rotation
from app.datasets.draws import Floats, draw_uniforms
from app.datasets.source_scale import find_source_scale
from app.schemas.tasks import AugmentationEntry

Step = GeometricStep | PhotometricStep
_Segment = list[tuple[int, Step]]

STEPS: Mapping[str, Callable[[Settings, Size], Step]] = MappingProxyType(
    {
        "RandomResizedCrop": ResizedCrop,
        "RandomHorizontalFlip": HorizontalFlip,
        "RandomVerticalFlip": VerticalFlip,
        "RandomRotation": Rotation,
        "RandomAffine": Affine,
        "RandomPerspective": Perspective,
        "RandomCrop": PaddedCrop,
        "ColorJitter": ColorJitter,
        "RandomGrayscale": Grayscale,
        "GaussianBlur": GaussianBlur,
        "RandomAutocontrast": Autocontrast,
        "RandomEqualize": Equalize,
        "RandomPosterize": Posterize,
        "RandomSolarize": Solarize,
    }
)
MIXINGS: Mapping[str, type[Mixing]] = MappingProxyType({"MixUp": MixUp, "CutMix": CutMix})


class BatchAugmentation:
    """What training images go through before the model; threads can share it."""

    def __init__(
        self,
        entries: Sequence[AugmentationEntry],
        input_size: tuple[int, int],
        seed: int,
        num_classes: int,
        move_targets: MoveTargets | None = None,
    ) -> None:
        """`input_size` (height, width) is what every image has in the end. Raises LookupError for an unknown name.

        Transforms that are not random are passed over. With several of MixUp and CutMix, each batch takes one.
        `move_targets` moves the targets of a batch as its pixels were; without it they stay as they are.
        """
        chosen = [entry for entry in entries if _find_transform(entry.name).is_random]
        built = [(entry, STEPS[entry.name]) for entry in chosen if entry.name in STEPS]
        self._steps: list[Step] = [build(read_settings(entry), input_size) for entry, build in built]
        mixed = [entry for entry in chosen if entry.name in MIXINGS]
        self._mixings = [MIXINGS[entry.name](read_settings(entry), num_classes) for entry in mixed]
        self._offsets = list(accumulate((step.num_draws for step in self._steps), initial=0))
        self._segments = _join_steps(self._steps)
        self._input_size = input_size
        self._seed = seed
        self._move_targets = move_targets
        self.is_empty = not self._steps and not self._mixings
        self.mixes_labels = bool(self._mixings)
        self.source_scale = find_source_scale(chosen)

    def __call__(self, images: Tensor, targets: Any, epoch: int, positions: Sequence[int]) -> tuple[Tensor, Any]:
        """Return images (n, 3, *input_size) and their targets.

        images: uint8 (n, 3, height, width) on any device, not changed. They come back there and in their memory
        format as uint8, or as float 0..255 after MixUp. positions: of the images in their list, n of them.
        targets: for `move_targets`, or class ids (n,) that MixUp and CutMix turn into shares (n, num_classes).
        """
        drawn = draw_uniforms(self._seed, epoch, positions, self._offsets[-1])
        size = (int(images.shape[-2]), int(images.shape[-1]))
        if self._move_targets is not None and self._moves_pixels(size):
            targets = self._move_targets(targets, self._follow(drawn, size), self._input_size)
        for segment in self._segments:
            images = self._apply_segment(segment, images, drawn)
        images = resize_images(images, self._input_size)
        if not self._mixings:
            return images, targets
        return self._mix(images, targets, epoch, positions[0])

    def find_maps(self, size: Size, epoch: int, positions: Sequence[int]) -> BatchMaps:
        """Return where the pixels that `__call__` returns come from in images of `size`."""
        return self._follow(draw_uniforms(self._seed, epoch, positions, self._offsets[-1]), size)

    def _moves_pixels(self, size: Size) -> bool:
        return size != self._input_size or any(isinstance(step, GeometricStep) for step in self._steps)

    def _follow(self, drawn: Floats, size: Size) -> BatchMaps:
        maps = start_maps(len(drawn), size)
        for number, step in enumerate(self._steps):
            if isinstance(step, GeometricStep):
                moved = step.draw_maps(self._take(drawn, number), size)
                size = step.find_output_size(size)
                maps = follow_step(maps, moved, size, is_cut=not isinstance(step, Flip))
        scale = np.diag([size[1] / self._input_size[1], size[0] / self._input_size[0], 1.0])
        return follow_step(maps, scale, self._input_size, is_cut=False)

    def _take(self, drawn: Floats, number: int) -> Floats:
        return drawn[:, self._offsets[number] : self._offsets[number + 1]]

    def _apply_segment(self, segment: _Segment, images: Tensor, drawn: Floats) -> Tensor:
        size = (int(images.shape[-2]), int(images.shape[-1]))
        first = segment[0][1]
        if isinstance(first, GeometricStep):
            return first.render(images, self._draw_segment_maps(segment, size, drawn))
        plan = [
            Recoloring(step, *step.draw_values(self._take(drawn, number), size))
            for number, step in segment
            if isinstance(step, PhotometricStep)
        ]
        # On the CPU one image at a time stays in the processor's cache; a GPU wants them all at once.
        return recolor_images(images, plan, at_once=1 if images.device.type == "cpu" else len(images))

    def _draw_segment_maps(self, segment: _Segment, size: Size, drawn: Floats) -> Floats:
        maps = identity_maps(len(drawn))
        for number, step in segment:
            if isinstance(step, GeometricStep):
                maps = maps @ step.draw_maps(self._take(drawn, number), size)
                size = step.find_output_size(size)
        return np.asarray(maps)

    def _mix(self, images: Tensor, targets: Tensor, epoch: int, first: int) -> tuple[Tensor, Tensor]:
        # Beyond what the images of any chain draw: the counters of a batch are not those of its first image.
        start = self._offsets[-1]
        count = 1 + max(mixing.num_draws for mixing in self._mixings)
        uniforms = draw_uniforms(self._seed, epoch, [first], start + count)[0, start:]
        mixing = self._mixings[int(uniforms[0] * len(self._mixings))]
        return mixing(images, targets, uniforms[1:])


def _find_transform(name: str) -> Any:
    if name not in TRANSFORMS:
        raise LookupError(f"No transform {name!r}. Known: {', '.join(TRANSFORMS)}.")
    return TRANSFORMS[name]


def _join_steps(steps: Sequence[Step]) -> list[_Segment]:
    """Put together what is done in one go: a geometric step with the mirrorings after it, photometric neighbours."""
    segments: list[_Segment] = []
    for number, step in enumerate(steps):
        last = segments[-1][-1][1] if segments else None
        if _is_joined(last, step):
            segments[-1].append((number, step))
        else:
            segments.append([(number, step)])
    return segments


def _is_joined(last: Step | None, step: Step) -> bool:
    if isinstance(step, PhotometricStep):
        return isinstance(last, PhotometricStep)
    return isinstance(step, Flip) and isinstance(last, GeometricStep)
