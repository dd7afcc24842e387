"""Values of images to tensors, and the scale that they are learned on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.annotations.values import Value
from app.datasets.placement import Placement
from app.datasets.run_data import LARGEST_VALUE
from app.datasets.table import ImageRecord, describe_name
from app.tasks.base import TaskContext

SMALLEST_DEVIATION = 1e-30
SMALLEST_RELATIVE_DEVIATION = 1e-14

kept_target = None
move_targets = None
"""Values hold for the whole image, wherever its pixels go."""


def fit_statistics(rows: Sequence[ImageRecord], classes: Sequence[str]) -> dict[str, Any]:
    """Return `num_values`, and `mean` and `deviation` of each value over the training images.

    A value that is the same everywhere gets the deviation 1. Raises ValueError for an image without usable values.
    """
    if not rows:
        msg = "There are no training images."
        raise ValueError(msg)
    num_values = len(read_values(rows[0]))
    values = np.array([read_values(row, num_values) for row in rows], dtype=np.float64)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    # Rounding leaves a deviation slightly above 0 where every value is the same, up to a few units in the last place.
    is_constant = deviation <= np.maximum(SMALLEST_RELATIVE_DEVIATION * np.abs(mean), SMALLEST_DEVIATION)
    deviation[is_constant] = 1.0
    return {"num_values": num_values, "mean": mean.tolist(), "deviation": deviation.tolist()}


def encode_target(row: ImageRecord, place: Placement, context: TaskContext) -> Tensor:
    """Return the values in the user's units, float64 (values,); raises ValueError when they are missing or too many."""
    return torch.tensor(read_values(row, context.statistics["num_values"]), dtype=torch.float64)


def collate_targets(targets: Sequence[Tensor]) -> Tensor:
    """Return the values of a batch, float64 (batch, values)."""
    return torch.stack(list(targets))


def read_values(row: ImageRecord, num_values: int | None = None) -> list[float]:
    """Return the values of an image; raises ValueError with the file's name when they are not what is expected."""
    found = [annotation for annotation in row.annotations if isinstance(annotation, Value)]
    if len(found) != 1 or not found[0].values:
        msg = (
            f"{describe_name(row)} has no values."
            if not found
            else f"{describe_name(row)} needs exactly one list of values."
        )
        raise ValueError(msg)
    values = found[0].values
    if num_values is not None and len(values) != num_values:
        msg = f"{describe_name(row)} has {len(values)} values, the others have {num_values}."
        raise ValueError(msg)
    if not all(math.isfinite(value) and abs(value) <= LARGEST_VALUE for value in values):
        msg = f"{describe_name(row)} has a value that is not a finite number of at most {LARGEST_VALUE:g}."
        raise ValueError(msg)
    return [float(value) for value in values]
