"""The named outputs of an exported classifier: how they are compared and read. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.tasks.base import TaskContext
from app.tasks.classification import answer
from app.tasks.output_shapes import require_same_shapes

if TYPE_CHECKING:
    from app.datasets.placement import Placement
    from app.tasks.base import ArrayOutputs

OUTPUT_NAMES: tuple[str, ...] = ("logits", "probabilities")
LARGE_LOGIT = 16.0
"""Beyond this a probability is 1 to seven digits, so no decision hangs on the logit's absolute value."""
UNDEFINED_DIFFERENCE = 1e9
"""Stands for the difference to something that is not a number: JSON has no infinity."""


def difference(reference: ArrayOutputs, exported: ArrayOutputs, context: TaskContext) -> NDArray[np.float64]:
    """Return the largest difference of each image over logits and probabilities, (batch,).

    Differences are absolute, but for logits beyond LARGE_LOGIT: an untamed head gives logits of several hundred, whose
    rounding in float32 alone comes near 1e-4, so their difference is scaled down to what it is at LARGE_LOGIT.
    """
    require_same_shapes(reference, exported)
    logits = reference["logits"].astype(np.float64)
    scale = np.maximum(1.0, np.abs(logits).max(axis=1, keepdims=True) / LARGE_LOGIT)
    logit_gap = np.abs(logits - exported["logits"]) / scale
    probability_gap = np.abs(reference["probabilities"].astype(np.float64) - exported["probabilities"])
    gap: NDArray[np.float64] = np.concatenate([logit_gap, probability_gap], axis=1).max(axis=1)
    return np.nan_to_num(gap, nan=UNDEFINED_DIFFERENCE, posinf=UNDEFINED_DIFFERENCE)


def agreement(reference: ArrayOutputs, exported: ArrayOutputs, context: TaskContext) -> NDArray[np.bool_]:
    """Return for each image whether both put the same class first, (batch,)."""
    same: NDArray[np.bool_] = reference["probabilities"].argmax(axis=1) == exported["probabilities"].argmax(axis=1)
    return same


def output_scales(context: TaskContext) -> dict[str, list[float]]:
    """Return nothing: logits and probabilities are judged as they are."""
    return {}


def decode(outputs: ArrayOutputs, places: Sequence[Placement], context: TaskContext) -> list[dict[str, Any]]:
    """Return for each image what a client wants to see."""
    return answer.decode(outputs, {"classes": list(context.classes)})
