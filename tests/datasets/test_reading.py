"""Reading records into tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from app.datasets.preprocessing import Preprocessing
from app.datasets.reading import ImageDataset, ImageReadError, SampleKey
from app.datasets.table import ImageRecord
from app.schemas.export import ResizeRecipe

PLAN = Preprocessing((16, 24), ResizeRecipe(mode="stretch", size=[16, 24]))


class Darken:
    """An augmentation that leaves traces of what it was given."""

    takes_original = False

    def __call__(self, image: Tensor, target: Any, epoch: int, position: int) -> tuple[Tensor, Any]:
        return image - epoch, f"{target} in epoch {epoch}, image {position}"


def draw(folder: Path, count: int) -> list[ImageRecord]:
    rows = []
    for number in range(count):
        pixels = np.full((20, 30, 3), 10 * number + 5, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append(ImageRecord(f"{number}.png", 30, 20, [], []))
    return rows


def test_samples_are_uint8_at_the_size_of_the_model_with_their_target(tmp_path: Path) -> None:
    rows = draw(tmp_path, 2)
    sample = ImageDataset(rows, tmp_path, PLAN, encode_target=lambda row: row.filename)[1]
    assert sample.image.dtype == torch.uint8
    assert sample.image.shape == (3, 16, 24)
    assert set(sample.image.flatten().tolist()) == {15}
    assert (sample.target, sample.position) == ("1.png", 1)


def test_only_a_key_with_an_epoch_augments(tmp_path: Path) -> None:
    dataset = ImageDataset(draw(tmp_path, 2), tmp_path, PLAN, lambda row: row.filename, Darken())
    assert dataset[1].target == "1.png"
    sample = dataset[SampleKey(epoch=3, position=1)]
    assert sample.target == "1.png in epoch 3, image 1"
    assert set(sample.image.flatten().tolist()) == {12}


def test_an_augmentation_may_take_the_original(tmp_path: Path) -> None:
    augment = Darken()
    augment.takes_original = True
    dataset = ImageDataset(draw(tmp_path, 1), tmp_path, PLAN, augment=augment)
    assert dataset[SampleKey(0, 0)].image.shape == (3, 20, 30)


def test_an_image_may_lie_outside_the_dataset(tmp_path: Path) -> None:
    rows = draw(tmp_path, 1)
    rows[0].source = str(tmp_path / "0.png")
    assert ImageDataset(rows, tmp_path / "nowhere", PLAN)[0].image.shape == (3, 16, 24)


@pytest.mark.parametrize("content", [None, b"no image"])
def test_an_unreadable_image_is_named(tmp_path: Path, content: bytes | None) -> None:
    rows = draw(tmp_path, 1)
    path = tmp_path / "0.png"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageReadError, match=r"0\.png cannot be read"):
        _ = ImageDataset(rows, tmp_path, PLAN)[0]
