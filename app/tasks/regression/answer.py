"""What a regressor answers, in the user's units. Bundles hold this code as it is, so it needs only NumPy."""

from __future__ import annotations

import json
from typing import Any

import numpy as np


def decode(outputs: dict[str, Any], metadata: dict[str, Any]) -> list[dict[str, Any]]:
    """Return for each image of a batch its predicted values."""
    return [{"prediction": row} for row in outputs["values"].astype(np.float64).tolist()]


def describe(answer: dict[str, Any]) -> str:
    """Return the answer for an image as a short text."""
    return json.dumps(answer["prediction"])


def list_cells(answer: dict[str, Any], metadata: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the answer for an image as the cells of a table, each under the name of its column."""
    values, names = answer["prediction"], metadata.get("details", {}).get("value_names", [])
    if len(names) != len(values):
        names = [f"value_{index}" for index in range(len(values))]
    return list(zip(map(str, names), values))  # noqa: B905
