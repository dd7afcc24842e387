"""A batch in parts."""

from __future__ import annotations

import pytest
import torch

from app.training.batch import Batch, split_batch


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
