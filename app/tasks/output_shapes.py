"""Whether two sets of outputs can be compared number by number. For tasks whose outputs have one row per image."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.tasks.base import ArrayOutputs


def require_same_shapes(reference: ArrayOutputs, exported: ArrayOutputs) -> None:
    """Raise ValueError when an output of the exported file has another shape than that of the model."""
    expected = {name: values.shape for name, values in reference.items()}
    found = {name: values.shape for name, values in exported.items()}
    if found != expected:
        msg = f"The exported file gives outputs {found}, the model gives {expected}."
        raise ValueError(msg)
