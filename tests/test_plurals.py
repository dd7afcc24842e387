"""Numbers with their nouns, and shares that sum to 100 %."""

from __future__ import annotations

import pytest

from app.plurals import count, divide_percent, join_words, name_first


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


@pytest.mark.parametrize(
    ("numbers", "digits", "percents"),
    [
        ([4, 1, 1], 0, [66, 17, 17]),
        ([5, 1, 1], 0, [72, 14, 14]),
        ([1, 1, 1], 0, [34, 33, 33]),
        ([26, 6, 6, 0], 1, [68.4, 15.8, 15.8, 0.0]),
        ([1, 999], 1, [0.1, 99.9]),
        ([1, 99_999], 1, [0.0, 100.0]),
        ([7], 0, [100]),
    ],
)
def test_shares_that_are_shown_together_sum_to_100(numbers: list[int], digits: int, percents: list[float]) -> None:
    found = divide_percent(numbers, digits)
    assert found == percents
    assert round(sum(found), 6) == 100


def test_shares_of_nothing_are_0() -> None:
    assert divide_percent([0, 0]) == [0.0, 0.0]
    assert divide_percent([]) == []


@pytest.mark.parametrize(
    ("words", "last", "expected"),
    [([], "and", ""), (["a"], "and", "a"), (["a", "b"], "and", "a and b"), (["a", "b", "c"], "or", "a, b or c")],
)
def test_words_are_joined_as_a_sentence_lists_them(words: list[str], last: str, expected: str) -> None:
    assert join_words(words, last) == expected
