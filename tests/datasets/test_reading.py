"""Reading records into pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.datasets.preprocessing import Preprocessing
from app.datasets.reading import ImageReadError, read_pixels
from app.datasets.table import ImageRecord
from app.schemas.export import ResizeRecipe

PLAN = Preprocessing((16, 24), ResizeRecipe(mode="stretch", size=[16, 24]))


def draw(folder: Path, count: int) -> list[ImageRecord]:
    rows = []
    for number in range(count):
        pixels = np.full((20, 30, 3), 10 * number + 5, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append(ImageRecord(f"{number}.png", 30, 20, [], []))
    return rows


def test_an_image_is_uint8_at_the_size_of_the_model(tmp_path: Path) -> None:
    image = read_pixels(draw(tmp_path, 2)[1], tmp_path, PLAN)
    assert image.dtype == np.uint8
    assert image.shape == (16, 24, 3)
    assert set(image.flatten().tolist()) == {15}


def test_without_a_plan_an_image_keeps_its_size(tmp_path: Path) -> None:
    assert read_pixels(draw(tmp_path, 1)[0], tmp_path, None).shape == (20, 30, 3)


def test_an_image_may_lie_outside_the_dataset(tmp_path: Path) -> None:
    rows = draw(tmp_path, 1)
    rows[0].source = str(tmp_path / "0.png")
    assert read_pixels(rows[0], tmp_path / "nowhere", PLAN).shape == (16, 24, 3)


@pytest.mark.parametrize("content", [None, b"no image"])
def test_an_unreadable_image_is_named(tmp_path: Path, content: bytes | None) -> None:
    rows = draw(tmp_path, 1)
    path = tmp_path / "0.png"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageReadError, match=r"0\.png cannot be read"):
        read_pixels(rows[0], tmp_path, PLAN)


@pytest.mark.parametrize(
    ("source_name", "named"),
    [
        ("day1/0.png", r"day1/0\.png"),
        ("day2/zero.png", r"day2/zero\.png \(0\.png in the dataset\)"),
        ("", r"0\.png"),
    ],
)
def test_an_unreadable_image_is_named_as_its_source_does(tmp_path: Path, source_name: str, named: str) -> None:
    (tmp_path / "0.png").write_bytes(b"no image")
    row = ImageRecord("0.png", 30, 20, [], [], source_name=source_name)
    with pytest.raises(ImageReadError, match=rf"The image {named} cannot be read"):
        read_pixels(row, tmp_path, PLAN)
