"""A batch on its way to a device, and in parts."""

from __future__ import annotations

import pytest
import torch
from lightning.fabric.utilities import move_data_to_device

from app.training.batch import Batch, split_batch
from tests.datasets.recording import CUDA, RecordingTensor

Moves = list[tuple[str, bool, bool]]


def record_batch(is_features: bool = False) -> tuple[Batch, Moves, Moves]:
    """Return a batch, and where its images and its targets write down how they move."""
    images: Moves = []
    targets: Moves = []
    named = {"classes": RecordingTensor.of(torch.arange(4), targets), "names": ["a", "b", "c", "d"]}
    batch = Batch(RecordingTensor.of(torch.zeros(4, 3), images), named, 4, (0, 1, 2, 3), is_features=is_features)
    return batch, images, targets


@pytest.mark.parametrize("is_features", [False, True])
def test_the_host_does_not_wait_for_a_gpu(is_features: bool) -> None:
    """Lightning moves what has a method `to` and leaves it to that whether the host waits."""
    batch, images, targets = record_batch(is_features)
    moved = move_data_to_device(batch, CUDA)
    assert isinstance(moved, Batch)
    # Images come pinned from the reader where that pays; the rest is small.
    assert images == [("cuda:0", is_features, True)]
    assert targets == [("cuda:0", True, True)]
    assert (moved.size, moved.positions, moved.targets["names"]) == (4, (0, 1, 2, 3), ["a", "b", "c", "d"])


def test_on_the_cpu_nothing_is_pinned_or_queued() -> None:
    batch, images, targets = record_batch()
    move_data_to_device(batch, torch.device("cpu"))
    assert images == targets == [("cpu", False, False)]


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (0, 4, []),
        (1, 4, [1]),
        (4, 4, [4]),
        (5, 4, [2, 3]),
        (9, 4, [3, 3, 3]),
        (3, 2, [3]),
        (5, 2, [2, 3]),
        (7, 2, [2, 2, 3]),
        (8, 2, [2, 2, 2, 2]),
        (3, 1, [1, 1, 1]),
    ],
)
def test_parts_are_equal_and_none_is_a_single_image_that_need_not_be(
    count: int, size: int, expected: list[int]
) -> None:
    images, targets = torch.arange(count), {"value": torch.arange(count), "name": [str(each) for each in range(count)]}
    parts = list(split_batch(Batch(images, targets, count, tuple(range(count))), size))
    assert [part.size for part in parts] == expected
    assert [int(image) for part in parts for image in part.images] == list(range(count))
    assert [int(value) for part in parts for value in part.targets["value"]] == list(range(count))
    assert [name for part in parts for name in part.targets["name"]] == targets["name"]
    assert [position for part in parts for position in part.positions] == list(range(count))


def test_parts_of_any_batch_have_two_images_at_least() -> None:
    sizes = [
        part.size
        for count in range(2, 40)
        for size in range(2, 40)
        for part in split_batch(Batch(torch.arange(count), torch.arange(count), count, tuple(range(count))), size)
    ]
    assert len(sizes) > 1000
    assert min(sizes) == 2
