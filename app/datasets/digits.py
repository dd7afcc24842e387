"""Writes the 1,797 handwritten digits of scikit-learn as image files; imports it only when it writes."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NUM_DIGITS = 1797
MAX_VALUE = 16  # the data set counts ink in 0..16
VALUES_TABLE = "values.csv"


def write_digits(folder: Path) -> int:
    """Write the digits that are not there yet, one folder per class; returns how many images the folder holds."""
    existing = sum(1 for _ in folder.glob("*/*.png"))
    if existing == NUM_DIGITS:
        return existing
    return sum(1 for _ in _write_images(folder, has_class_folders=True))


def write_digit_values(folder: Path) -> int:
    """Write the digits into one folder, with a table that has the written number of each; returns how many."""
    rows = list(_write_images(folder, has_class_folders=False))
    with (folder / VALUES_TABLE).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("filename", "number"), *rows])
    return len(rows)


def _write_images(folder: Path, *, has_class_folders: bool) -> Iterator[tuple[str, int]]:
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    data: Any = load_digits()
    for number, (ink, label) in enumerate(zip(data.images, data.target, strict=True)):
        name = f"digit_{number:04d}.png"
        path = folder / str(label) / name if has_class_folders else folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(ink * 255 / MAX_VALUE).astype(np.uint8)).save(path)
        yield name, int(label)
