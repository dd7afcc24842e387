"""How much larger than the model's size training images are kept, so that a strong crop does not magnify them too much.

Torch-free, because the web process forecasts what the cache holds; the crop itself is in `augmenting/cropping.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from app.datasets.augmentation_catalog import TRANSFORMS
from app.schemas.payloads import TrainPayload
from app.schemas.tasks import AugmentationEntry

LARGEST_SCALE = 2.0
_CROP = "RandomResizedCrop"


def find_source_scale(entries: Sequence[AugmentationEntry]) -> float:
    """Return the scale for these training transforms: above 1 when the first of them crops to less than half."""
    changing = (entry for entry in entries if TRANSFORMS[entry.name].is_random and not TRANSFORMS[entry.name].is_batch)
    first = next(changing, None)
    if first is None or first.name != _CROP:
        return 1.0
    defaults = {parameter.name: parameter.default for parameter in TRANSFORMS[_CROP].parameters}
    least = float((defaults | first.params)["scale"][0])
    return 1.0 if least >= 0.5 else min(LARGEST_SCALE, math.sqrt(0.5 / least))


def plan_source_scale(payload: TrainPayload, num_devices: int, *, is_fill: bool) -> float:
    """Return the scale of the images that a run reads; features of a frozen backbone are of images at its own size."""
    if is_fill or expects_features(payload, num_devices):
        return 1.0
    return find_source_scale(payload.augmentations.train)


def expects_features(payload: TrainPayload, num_devices: int) -> bool:
    """Return whether a run will learn from features of a frozen backbone, as far as its settings say."""
    is_mixing = any(TRANSFORMS[entry.name].is_batch for entry in payload.augmentations.train)
    return payload.model.freeze_backbone and num_devices == 1 and not is_mixing
