"""Thumbnails on one core, beside Pillow's draft mode alone: open, reduce while decoding, save."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from app.datasets.thumbnails import write_thumbnail
from app.schemas.payloads import ImportLimits
from tests.bench.measuring import Figure, Scope, measure_pairs, time_s

NUM_IMAGES, PAIRS = 60, 9
SIZE = (640, 480)
SIDE_PX = 128
MIN_RATIO = 0.8


def draw_photos(folder: Path) -> list[Path]:
    """Write JPEG files with the detail of photographs: smooth areas with some noise."""
    noise = np.random.default_rng(0)
    paths = []
    for number in range(NUM_IMAGES):
        pixels = noise.integers(0, 256, size=(SIZE[1] // 16, SIZE[0] // 16, 3)).astype(np.uint8)
        image = Image.fromarray(pixels).resize(SIZE, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(1))
        grain = np.asarray(image, np.int16) + noise.integers(-8, 9, size=(SIZE[1], SIZE[0], 3))
        path = folder / f"{number}.jpg"
        Image.fromarray(grain.clip(0, 255).astype(np.uint8)).save(path, quality=90)
        paths.append(path)
    return paths


def write_plain(source: Path, target: Path) -> None:
    """Write a thumbnail with nothing but Pillow's draft mode."""
    with Image.open(source) as image:
        image.thumbnail((SIDE_PX, SIDE_PX))
        image.save(target, "JPEG")


def measure_thumbnails(scope: Scope) -> list[Figure]:
    """Measure images per second, ours and plain, over the same files."""
    limits = ImportLimits()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths, target = draw_photos(folder), folder / "thumbnail.jpg"

        def rate_ours() -> float:
            return NUM_IMAGES / time_s(lambda: [write_thumbnail(path, target, limits) for path in paths])

        def write_all_plain() -> None:
            for path in paths:
                write_plain(path, target)

        def rate_plain() -> float:
            return NUM_IMAGES / time_s(write_all_plain)

        rate_ours(), rate_plain()
        ours, plain, ratio = measure_pairs(rate_ours, rate_plain, PAIRS)
    goal = f"ratio >= {MIN_RATIO}"
    return [Figure("thumbnails per core", "images/s", ours, plain, ratio, goal, ratio >= MIN_RATIO)]
