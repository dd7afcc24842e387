"""How images are named in messages, and why a dataset cannot be read."""

from __future__ import annotations

import msgspec
import pytest

from app.datasets.table import ImageRecord, describe_name, explain_unreadable, source_name_of


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


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(2, "No such file or directory", "/secret/dataset.json"), "it was cleared. Import images"),
        (OSError(5, "Input/output error", "/secret/dataset.json"), "Input/output error. Check the disk"),
        (msgspec.DecodeError("Input data was truncated"), "damaged: Input data was truncated. Clear the dataset"),
    ],
)
def test_an_unreadable_dataset_is_explained_without_the_words_of_the_system(error: Exception, words: str) -> None:
    assert isinstance(error, OSError | msgspec.DecodeError)
    said = explain_unreadable(error)
    assert words in said
    assert not [part for part in ("Errno", "/secret") if part in said]
