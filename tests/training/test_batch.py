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


def test_parts_are_as_equal_as_they_can_be() -> None:
    batch = Batch(torch.arange(7), {"ids": torch.arange(7)}, 7, tuple(range(7)))
    parts = list(split_batch(batch, 3))
    assert [part.size for part in parts] == [2, 2, 3]
    assert torch.cat([part.targets["ids"] for part in parts]).tolist() == list(range(7))
    assert [place for part in parts for place in part.positions] == list(range(7))
