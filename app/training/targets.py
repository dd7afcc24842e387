"""Targets of images as the task encodes them: where each image lies in the input is found here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from app.datasets.placement import place_row
from app.datasets.table import ImageRecord
from app.training.inputs import TrainingInputs

if TYPE_CHECKING:
    from app.datasets.reading import ResizePlan


def encode_targets(inputs: TrainingInputs, rows: Iterable[ImageRecord], plan: ResizePlan) -> list[Any]:
    """Return the target of each image, in pixels of what `plan` makes of it; raises ValueError without one."""
    encode = inputs.parts.data.encode_target
    return [encode(row, place_row(row, plan), inputs.context) for row in rows]
