"""Datasets, checkpoints and job contexts for tests of the engines, made without the training engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from app.annotations.label import Label
from app.annotations.values import Value
from app.datasets.table import Annotation, DatasetTable, ImageRecord, StatsRecord, encode_dataset
from app.schemas.events import Event
from app.schemas.experiments import ModelSettings
from app.schemas.export import ResizeRecipe
from app.schemas.jobs import JobCommand, JobRequest
from app.schemas.payloads import DatasetLocation
from app.tasks.base import TaskContext
from app.tasks.registry import list_specs, load_data, load_module
from app.tasks.trained import describe_checkpoint

SIZE_PX = 64
CLASSES = ["bolt", "nut", "washer"]
SUBSETS = ("test",) * 8 + ("val",) * 4 + ("train",) * 8


@dataclass
class World:
    """A dataset with a split `main` and a checkpoint of one task, on disk."""

    task: str
    location: DatasetLocation
    table: DatasetTable
    checkpoint: Path

    def payload(self, **changes: Any) -> dict[str, Any]:
        """Return what every payload of the engines has in common."""
        shared = {
            "task": self.task,
            "experiment_id": "exp-00000001",
            "run_id": "run-00000001",
            "checkpoint_path": str(self.checkpoint),
            "dataset": self.location.model_dump(),
            "split_name": "main",
            "split_subsets": ["test"],
        }
        return shared | changes


class FakeContext:
    """A job context in memory: keeps the events, gives the commands and messages that a test hands in."""

    def __init__(
        self,
        output_dir: Path,
        kind: str,
        payload: dict[str, Any],
        command: Callable[[FakeContext], JobCommand | None] = lambda _context: None,
    ) -> None:
        output_dir.mkdir(parents=True, exist_ok=True)
        self.output_dir = output_dir
        self.events: list[Event] = []
        self.messages: list[dict[str, Any]] = []
        self._command = command
        self.request = JobRequest(
            job_id="job-00000001",
            kind=kind,
            project_id="proj-00000001",
            job_dir=str(output_dir),
            output_dir=str(output_dir),
            payload=payload,
        )

    def report(self, event: Event) -> None:
        """Keep an event."""
        self.events.append(event)

    def command(self) -> JobCommand | None:
        """Return what the test says."""
        return self._command(self)

    def next_message(self, timeout_s: float) -> dict[str, Any] | None:
        """Return the next message of the test, without waiting."""
        return self.messages.pop(0) if self.messages else None

    def of_type(self, name: str) -> list[Any]:
        """Return the events of one type."""
        return [event for event in self.events if event.type == name]


def task_of_kind(annotation_kind: str) -> str:
    """Return the task whose annotations are of this kind."""
    return next(spec.id for spec in list_specs().values() if spec.info.annotation_kind == annotation_kind)


def make_world(folder: Path, annotation_kind: str, backbone: str, **hyperparameters: Any) -> World:
    """Write a dataset of 20 images and a checkpoint with random weights that answers differently to each of them."""
    task = task_of_kind(annotation_kind)
    table = make_dataset(folder, task, annotation_kind)
    context = make_context(task, table, backbone, hyperparameters)
    recipe = ResizeRecipe(mode="stretch", size=[SIZE_PX, SIZE_PX])
    checkpoint = folder / "best.ckpt"
    save_checkpoint(checkpoint, make_model(context), context, recipe)
    location = DatasetLocation(
        dataset_json=str(folder / "dataset.json"), images_dir=str(folder / "images"), cache_dir=str(folder / "cache")
    )
    return World(task, location, table, checkpoint)


def make_dataset(folder: Path, task: str, annotation_kind: str) -> DatasetTable:
    """Write images of different colours and sizes, and dataset.json."""
    (folder / "images").mkdir(parents=True)
    rows = [_make_row(folder / "images", index, annotation_kind) for index in range(len(SUBSETS))]
    table = DatasetTable(
        id="dataset-00000001",
        task=task,
        source_format="csv",
        source_path="",
        imported_at="2024-01-01T00:00:00Z",
        classes=CLASSES if annotation_kind == "label" else [],
        split_names=["main"],
        image_stats=StatsRecord(len(rows), 70, 90, 60, 80, ["png"]),
        images=rows,
    )
    (folder / "dataset.json").write_bytes(encode_dataset(table))
    return table


def make_context(task: str, table: DatasetTable, backbone: str, hyperparameters: dict[str, Any]) -> TaskContext:
    """Return the context of an untrained model of a task."""
    settings = list_specs()[task].hyperparameters(**({"image_size": SIZE_PX} | hyperparameters))
    return TaskContext(
        task=task,
        classes=tuple(table.classes),
        statistics=load_data(task).fit_statistics(table.images, table.classes),
        model=ModelSettings(backbone=backbone, pretrained=False),
        hyperparameters=settings,
        image_size=(SIZE_PX, SIZE_PX),
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )


def make_model(context: TaskContext) -> nn.Module:
    """Return a model with random weights, its normalisation layers set from random images.

    Fresh ones let almost nothing through, and then every file would agree with every other.
    """
    torch.manual_seed(7)
    model = load_module(context.task).build_model(context, None)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # a plain average over the batches
    model.train()
    with torch.no_grad():
        model(torch.randint(0, 256, (12, 3, *context.image_size), dtype=torch.uint8))
    return model.eval()


def save_checkpoint(path: Path, model: nn.Module, context: TaskContext, recipe: ResizeRecipe) -> None:
    """Write a checkpoint as the training engine does."""
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state, "ai_studio": describe_checkpoint(context, recipe, {})}, path)


def _make_row(images_dir: Path, index: int, annotation_kind: str) -> ImageRecord:
    filename, width, height = f"image_{index:02d}.png", 70 + index, 60 + index
    random = np.random.default_rng(index)
    tint = random.integers(0, 200, 3)
    pixels = np.clip(tint + random.integers(0, 56, (height, width, 3)), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(images_dir / filename)
    annotation: Annotation = Value([float(tint[0]), float(tint[1]) / 100.0])
    if annotation_kind == "label":
        annotation = Label(index % len(CLASSES), CLASSES[index % len(CLASSES)])
    source_name = f"day{index % 3}/{index // 3}.png"
    return ImageRecord(filename, width, height, [SUBSETS[index]], [annotation], source_name=source_name)
