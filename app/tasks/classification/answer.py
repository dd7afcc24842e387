"""What a classifier answers, in the terms of its classes. Bundles hold this code as it is, so it needs only NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np


def decode(outputs: dict[str, Any], metadata: dict[str, Any]) -> list[dict[str, Any]]:
    """Return for each image of a batch its predicted class and the probability of every class."""
    classes, decoded = metadata["classes"], []
    for row in outputs["probabilities"].astype(np.float64):
        best = int(row.argmax())
        prediction = {"class_id": best, "class_name": classes[best], "confidence": float(row[best])}
        decoded.append({"prediction": prediction, "probabilities": dict(zip(classes, row.tolist()))})  # noqa: B905
    return decoded


def describe(answer: dict[str, Any]) -> str:
    """Return the answer for an image as a short text."""
    return f"{answer['prediction']['class_name']} {answer['prediction']['confidence']:.4f}"


def list_cells(answer: dict[str, Any], metadata: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the answer for an image as the cells of a table, each under the name of its column."""
    best = answer["prediction"]
    return [
        ("class_name", best["class_name"]),
        ("confidence", best["confidence"]),
        *answer["probabilities"].items(),
    ]
