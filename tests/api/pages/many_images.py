"""A project of as many images as wanted, written as an import leaves it; there are no files behind the images."""

from __future__ import annotations

from pathlib import Path

from app.annotations.label import Label
from app.core.studio import Studio
from app.datasets.table import DatasetTable, ImageRecord, SplitRecord, StatsRecord, encode_dataset
from app.schemas.common import new_id, utc_now
from app.schemas.projects import ProjectCreate

NUM_CLASSES = 50
SUBSETS = ("train",) * 14 + ("val",) * 3 + ("test",) * 3


def class_names() -> list[str]:
    """Return the classes of such a project."""
    return [f"species {number:02}" for number in range(NUM_CLASSES)]


def write_many_images(studio: Studio, folder: Path, num_images: int) -> str:
    """Return a project with this many images of fifty classes and a split named main. Takes a second for 100,000."""
    task = next(task for task in studio.tasks.list_tasks().tasks if task.annotation_kind == "label")
    project = studio.projects.create_project(ProjectCreate(name=f"{num_images} images", task=task.id)).id
    classes = class_names()
    labels = [Label(number, name) for number, name in enumerate(classes)]
    images = [
        ImageRecord(
            filename=f"i{number % NUM_CLASSES}_{number // NUM_CLASSES}.png",
            width=640,
            height=480,
            split=[SUBSETS[number // NUM_CLASSES % len(SUBSETS)]],
            annotations=[labels[number % NUM_CLASSES]],
            content_hash=f"{number:032x}",
            size_bytes=40_000 + number,
        )
        for number in range(num_images)
    ]
    table = DatasetTable(
        id=new_id("dataset"),
        task=task.id,
        source_format="image_folders",
        source_path="/images",
        imported_at=utc_now(),
        classes=classes,
        split_names=["main"],
        image_stats=StatsRecord(num_images, 640, 640, 480, 480, ["PNG"]),
        images=images,
        splits=[SplitRecord("main", 42, {"train": 0.7, "val": 0.15, "test": 0.15}, created_at=utc_now())],
    )
    staging = folder / f"staging-{project}"
    (staging / "images").mkdir(parents=True)
    (staging / "dataset.json").write_bytes(encode_dataset(table))
    studio.datasets._stores.datasets.publish(project, staging)
    return project
