"""What a report says in one sentence: counts that add up, and how bad the loss is."""

from __future__ import annotations

from typing import Any

import pytest

from app.schemas.import_report import ImportReport, LossLevel, describe_loss, measure_loss


def report(**changes: Any) -> ImportReport:
    base: dict[str, Any] = {"source_format": "csv", "num_annotations": 0, "classes": [], "class_counts": {}}
    base |= {"split_counts": {}, "num_problems": 0, "problems": [], "num_images": 0, "can_import": True}
    return ImportReport.model_validate(base | changes)


@pytest.mark.parametrize(
    ("num_lost", "num_entries", "level", "words"),
    [
        (0, 1, "small", "All 40 images will be imported; 1 annotation entry cannot be used"),
        (0, 100, "most", "All 40 images will be imported; 100 annotation entries cannot be used"),
        (4, 4, "notable", "40 of 44 images will be imported; 4 will not; 4 annotation entries cannot be used"),
        (25, 25, "notable", "40 of 65 images will be imported; 25 will not; 25 annotation entries cannot be used"),
    ],
)
def test_entries_without_a_file_count_as_much_as_images(
    num_lost: int, num_entries: int, level: LossLevel, words: str
) -> None:
    found = report(num_images=40, num_lost=num_lost, num_unused_entries=num_entries)
    assert (found.loss_level, found.in_words()) == (level, words)


@pytest.mark.parametrize(
    ("num_images", "num_lost", "level"),
    [
        (100, 0, "none"),
        (1, 0, "none"),
        (95, 5, "small"),
        (999_999, 1, "small"),
        (94, 6, "notable"),
        (50, 50, "notable"),
        (1, 1, "notable"),
        (49, 51, "most"),
        (0, 0, "most"),
        (0, 7, "most"),
    ],
)
def test_a_loss_is_judged_by_its_share(num_images: int, num_lost: int, level: LossLevel) -> None:
    assert measure_loss(num_images, num_lost) == level
    assert report(num_images=num_images, num_lost=num_lost).loss_level == level


def test_the_sentence_adds_up() -> None:
    assert report(num_images=96, num_lost=4).in_words() == "96 of 100 images will be imported; 4 will not"
    assert report(num_images=1000).in_words() == "All 1,000 images will be imported"
    assert report(num_images=1).in_words() == "1 image will be imported"
    assert describe_loss(1, 1, "were imported", "was not") == "1 of 2 images were imported; 1 was not"


def test_a_source_that_cannot_be_imported_is_red_and_says_so() -> None:
    assert report(can_import=False).in_words() == "Nothing can be imported"
    assert report(can_import=False, num_lost=12).in_words() == "None of 12 images can be imported"
    assert report(can_import=False, is_complete=False).in_words() == "The preview stopped at a limit"
    assert report(can_import=False, num_images=9).loss_level == "most"
