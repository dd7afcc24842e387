"""Labels of images to class ids, and what training learns of them beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from app.annotations.label import Label
from app.datasets.placement import Placement
from app.datasets.table import ImageRecord, describe_name
from app.tasks.base import TaskContext

kept_target = None
move_targets = None
"""A class holds for the whole image, wherever its pixels go."""


def fit_statistics(rows: Sequence[ImageRecord], classes: Sequence[str]) -> dict[str, Any]:
    """Return `class_counts`, the number of training images of each class in the order of `classes`."""
    counts = [0] * len(classes)
    for row in rows:
        counts[read_label(row, classes).class_id] += 1
    return {"class_counts": counts}


def encode_target(row: ImageRecord, place: Placement, context: TaskContext) -> Tensor:
    """Return the class id as an int64 scalar; raises ValueError for an image without exactly one known class."""
    return torch.tensor(read_label(row, context.classes).class_id, dtype=torch.int64)


def collate_targets(targets: Sequence[Tensor]) -> Tensor:
    """Return the class ids of a batch, int64 (batch,)."""
    return torch.stack(list(targets))


def read_label(row: ImageRecord, classes: Sequence[str]) -> Label:
    """Return the label of an image; raises ValueError with its name when it has none, several or a foreign one."""
    labels = [annotation for annotation in row.annotations if isinstance(annotation, Label)]
    if len(labels) != 1:
        msg = f"{describe_name(row)} has {len(labels)} labels, it needs exactly one."
        raise ValueError(msg)
    label = labels[0]
    if not 0 <= label.class_id < len(classes) or classes[label.class_id] != label.class_name:
        name = describe_name(row)
        msg = f"{name} has class {label.class_id} {label.class_name!r}, which is not among: {', '.join(classes)}."
        raise ValueError(msg)
    return label
