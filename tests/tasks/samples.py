"""Small inputs for any task, made by its annotation kind: images that can be told apart, and their rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.annotations.label import Label
from app.annotations.values import Value
from app.datasets.placement import Placement
from app.datasets.table import Annotation, ImageRecord
from app.models.imagenet import IMAGENET_MEAN, IMAGENET_STD
from app.schemas.experiments import ModelSettings
from app.schemas.export import ResizeRecipe
from app.tasks.base import TaskContext
from app.tasks.registry import get_spec, load_data

CLASSES = ("cat", "dog", "owl")
SIDE_PX = 32

ANNOTATE: dict[str, Callable[[int], Annotation]] = {
    "label": lambda index: Label(class_id=index % len(CLASSES), class_name=CLASSES[index % len(CLASSES)]),
    "values": lambda index: Value(values=[100.0 + 5.0 * index, -0.01 * index * index]),
}


def make_row(annotation: Annotation | None, index: int = 0) -> ImageRecord:
    """Return the record of one image."""
    annotations = [annotation] if annotation is not None else []
    return ImageRecord(f"{index:03}.png", SIDE_PX, SIDE_PX, split=["train"], annotations=annotations)


def make_rows(task: str, count: int) -> list[ImageRecord]:
    """Return annotated records."""
    annotate = ANNOTATE[get_spec(task).info.annotation_kind]
    return [make_row(annotate(index), index) for index in range(count)]


def make_images(count: int) -> Tensor:
    """Return uint8 RGB images, each brighter than the one before, with noise."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 40, (count, 3, SIDE_PX, SIDE_PX), generator=generator)
    shade = torch.linspace(0, 200, count).view(-1, 1, 1, 1)
    return (noise + shade).to(torch.uint8)


def make_context(
    task: str,
    hyperparameters: Mapping[str, Any] | None = None,
    model: Mapping[str, Any] | None = None,
    num_rows: int = 6,
) -> TaskContext:
    """Return the context of a small model that starts from scratch."""
    spec = get_spec(task)
    settings = {"backbone": "resnet18", "pretrained": False, "dropout": 0.0} | dict(model or {})
    classes = CLASSES if spec.info.annotation_kind == "label" else ()
    return TaskContext(
        task=task,
        classes=classes,
        statistics=load_data(task).fit_statistics(make_rows(task, num_rows), classes),
        model=ModelSettings.model_validate(settings),
        hyperparameters=spec.hyperparameters.model_validate(dict(hyperparameters or {})).model_dump(),
        image_size=(SIDE_PX, SIDE_PX),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
    )


def make_targets(context: TaskContext, count: int) -> Any:
    """Return the targets of a batch."""
    data = load_data(context.task)
    rows = make_rows(context.task, count)
    return data.collate_targets([data.encode_target(row, make_place(row), context) for row in rows])


def make_place(row: ImageRecord) -> Placement:
    """Return where an image lies in an input of its own size."""
    size = (row.height, row.width)
    return Placement(ResizeRecipe(mode="stretch", size=list(size)), size, size)


def to_arrays(outputs: Mapping[str, Tensor]) -> dict[str, np.ndarray[Any, Any]]:
    """Return outputs as the engines hand them on."""
    return {name: value.detach().numpy() for name, value in outputs.items()}
