"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from app.plurals import count, name_first


@pytest.mark.parametrize(
    ("number", "noun", "plural", "text"),
    [
        (0, "image", "", "0 images"),
        (1, "image", "", "1 image"),
        (1234, "image", "", "1,234 images"),
        (1, "class", "classes", "1 class"),
        (2, "class", "classes", "2 classes"),
    ],
)
def test_a_number_has_its_noun(number: int, noun: str, plural: str, text: str) -> None:
    assert count(number, noun, plural) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, ""), (1, "0"), (3, "0, 1, 2"), (4, "0, 1, 2 and 1 more"), (2003, "0, 1, 2 and 2,000 more")]
)
def test_the_first_of_many_names_are_listed(number: int, text: str) -> None:
    assert name_first([f"{index}" for index in range(number)], 3) == text
