"""How images are named in messages."""

from __future__ import annotations

import pytest

from app.datasets.table import ImageRecord, describe_name, source_name_of


@pytest.mark.parametrize(
    ("filename", "source_name", "shown"),
    [
        ("001.png", "", "001.png"),
        ("001.png", "day1/001.png", "day1/001.png"),
        ("001_1.png", "day2/001.png", "day2/001.png (001_1.png in the dataset)"),
        ("1.png", "day2/001.png", "day2/001.png (1.png in the dataset)"),
        ("a_b.png", "a:b.png", "a:b.png (a_b.png in the dataset)"),
        ("größe.png", "Bilder/größe.png", "Bilder/größe.png"),
    ],
)
def test_a_message_names_an_image_as_its_source_does(filename: str, source_name: str, shown: str) -> None:
    image = ImageRecord(filename, 8, 8, [], [], source_name=source_name)
    assert describe_name(image) == shown
    assert source_name_of(image) == (source_name or filename)
