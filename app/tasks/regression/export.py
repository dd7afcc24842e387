"""The named output of an exported regressor: how it is compared and read. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.tasks.base import TaskContext
from app.tasks.output_shapes import require_same_shapes
from app.tasks.regression import answer

if TYPE_CHECKING:
    from app.datasets.placement import Placement
    from app.tasks.base import ArrayOutputs

OUTPUT_NAMES: tuple[str, ...] = ("values",)
AGREEMENT_TOLERANCE = 1e-4
UNDEFINED_DIFFERENCE = 1e9
"""Stands for the difference to something that is not a number: JSON has no infinity."""


def difference(reference: ArrayOutputs, exported: ArrayOutputs, context: TaskContext) -> NDArray[np.float64]:
    """Return the largest difference of each image over its values, (batch,), in training deviations of the value.

    The user's units are arbitrary: a length in metres or in nanometres has to meet the same tolerance.
    """
    require_same_shapes(reference, exported)
    deviation = np.asarray(context.statistics["deviation"], dtype=np.float64)
    gaps = np.abs(reference["values"].astype(np.float64) - exported["values"].astype(np.float64)) / deviation
    largest: NDArray[np.float64] = gaps.max(axis=1)
    return np.nan_to_num(largest, nan=UNDEFINED_DIFFERENCE, posinf=UNDEFINED_DIFFERENCE)


def agreement(reference: ArrayOutputs, exported: ArrayOutputs, context: TaskContext) -> NDArray[np.bool_]:
    """Return for each image whether every value is the same within 1e-4 training deviations, (batch,)."""
    return difference(reference, exported, context) <= AGREEMENT_TOLERANCE


def output_scales(context: TaskContext) -> dict[str, list[float]]:
    """Return the training deviation of each value: beside a large offset every difference looks small."""
    return {"values": [float(deviation) for deviation in context.statistics["deviation"]]}


def decode(outputs: ArrayOutputs, places: Sequence[Placement], context: TaskContext) -> list[dict[str, Any]]:
    """Return for each image what a client wants to see."""
    return answer.decode(outputs, {"classes": list(context.classes)})
