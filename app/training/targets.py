"""Targets of images as the task encodes them: where each image lies in the input, and which targets are cached."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from app.datasets.cache_files import KeptTarget
from app.datasets.placement import place_row
from app.datasets.reading import locate_image
from app.datasets.sample_cache import SampleCache, stamp_file
from app.datasets.table import ImageRecord
from app.training.inputs import TrainingInputs

if TYPE_CHECKING:
    from app.datasets.reading import ResizePlan


class TargetEncoder:
    """The targets of images in pixels of what a plan makes of them, from the cache where one is given."""

    def __init__(self, inputs: TrainingInputs, plan: ResizePlan, cache: SampleCache | None = None) -> None:
        """`cache` was opened with `describe_kept(inputs)`."""
        self._inputs, self._plan, self._cache = inputs, plan, cache

    def encode(self, rows: Iterable[ImageRecord]) -> list[Any]:
        """Return the target of each image; raises ValueError for one without."""
        return [self._encode(row) if self._cache is None else self._fetch(row, self._cache) for row in rows]

    def _encode(self, row: ImageRecord) -> Any:
        return self._inputs.parts.data.encode_target(row, place_row(row, self._plan), self._inputs.context)

    def _fetch(self, row: ImageRecord, cache: SampleCache) -> Tensor:
        path, kept = locate_image(row, self._inputs.images_dir), np.empty(cache.shape, np.uint8)
        if cache.load(row, path, kept):
            return torch.from_numpy(kept).permute(2, 0, 1)
        target: Tensor = self._encode(row)
        cache.store(row, stamp_file(path), target.permute(1, 2, 0).numpy())
        return target


def describe_kept(inputs: TrainingInputs) -> KeptTarget | None:
    """Return which targets of the task the cache keeps, None for none."""
    planes, context = inputs.parts.data.kept_target, inputs.context
    return None if planes is None else KeptTarget(context.task, context.classes, planes.channels, planes.version)
