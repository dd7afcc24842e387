"""Photographs for the benchmark, cut from the two that come with scikit-learn, and the dataset.json over them.

The files lie in one folder per class, so that AI Studio and a plain ImageFolder read the very same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from app.annotations.label import Label
from app.datasets.table import DatasetTable, ImageRecord, StatsRecord, encode_dataset, hash_content

NUM_CLASSES = 10
PHOTO_SIZE = (640, 480)
MIN_SHARE = 0.5
JPEG_QUALITY = 90
TASK = "classification"


@dataclass(frozen=True)
class Photo:
    """One written file and its class; `size` is (width, height) in pixels."""

    path: Path
    label: int
    size: tuple[int, int]


def class_name(label: int) -> str:
    """Return the name of a class, which is that of its folder."""
    return f"class_{label}"


def write_photos(folder: Path, num_images: int, size: tuple[int, int] = PHOTO_SIZE, seed: int = 0) -> list[Photo]:
    """Write JPEG files of this size, the classes in turn; a class shows its own part of one of the two photographs."""
    sources = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    random = np.random.default_rng(seed)
    photos = []
    for number in range(num_images):
        label = number % NUM_CLASSES
        source = sources[label % len(sources)]
        width, height = (int(side * random.uniform(MIN_SHARE, 1.0)) for side in source.size)
        left = int((source.width - width) * (label // len(sources)) / (NUM_CLASSES // len(sources) - 1))
        top = int(random.integers(0, source.height - height + 1))
        path = folder / class_name(label) / f"photo_{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        box = (left, top, left + width, top + height)
        cut = source.resize(size, Image.Resampling.BICUBIC, box, reducing_gap=1.1)
        cut.save(path, quality=JPEG_QUALITY)
        photos.append(Photo(path, label, size))
    if hasattr(os, "sync"):
        os.sync()  # or what is measured would wait for the disk to take these
    return photos


def write_dataset(path: Path, photos: Sequence[Photo]) -> Path:
    """Write a dataset.json that refers to the files; all are training images, so a run is not validated."""
    rows = [_describe(photo) for photo in photos]
    widths, heights = zip(*(photo.size for photo in photos), strict=True)
    stats = StatsRecord(len(rows), min(widths), max(widths), min(heights), max(heights), ["jpeg"])
    table = DatasetTable(
        id="dataset-00000000",
        task=TASK,
        source_format="image_folders",
        source_path=str(photos[0].path.parent.parent),
        imported_at="2026-01-01T00:00:00Z",
        classes=[class_name(label) for label in range(NUM_CLASSES)],
        split_names=["main"],
        image_stats=stats,
        images=rows,
        import_mode="reference",
        content_hash=hash_content(rows),
    )
    path.write_bytes(encode_dataset(table))
    return path


def _describe(photo: Photo) -> ImageRecord:
    content = photo.path.read_bytes()
    return ImageRecord(
        filename=photo.path.name,
        width=photo.size[0],
        height=photo.size[1],
        split=["train"],
        annotations=[Label(photo.label, class_name(photo.label))],
        source=str(photo.path),
        content_hash=blake2b(content, digest_size=16).hexdigest(),
        size_bytes=len(content),
    )
