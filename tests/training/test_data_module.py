"""How many processes read images."""

from __future__ import annotations

import pytest

from app.datasets.table import ImageRecord
from app.training.data_module import resolve_num_workers


@pytest.mark.parametrize(
    ("requested", "images", "side_px", "cores", "expected"),
    [
        (-1, 1800, 8, 16, 0),
        (-1, 199, 1000, 16, 0),
        (-1, 201, 1000, 16, 4),
        (-1, 10_000, 640, 2, 2),
        (-1, 10_000, 640, 1, 0),
        (0, 10_000, 640, 16, 0),
        (7, 10, 8, 2, 7),
    ],
)
def test_processes_are_started_where_they_pay(
    requested: int, images: int, side_px: int, cores: int, expected: int
) -> None:
    rows = [ImageRecord("a.png", side_px, side_px, [], [])] * images
    assert resolve_num_workers(requested, rows, cores) == expected
