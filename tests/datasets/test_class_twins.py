"""Classes that may be meant as one: which are twins, and in what they differ."""

from __future__ import annotations

import pytest

from app.datasets.class_twins import describe_difference, find_twins


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (["Cat", "Dog", "cat", "dog"], [("Cat", "cat"), ("Dog", "dog")]),
        (["dog", "Cat", "cat", "Dog"], [("dog", "Dog"), ("Cat", "cat")]),
        (["Äpfel", "a\u0308pfel", "ÄPFEL", "Birnen"], [("Äpfel", "a\u0308pfel", "ÄPFEL")]),
        (["Straße", "STRASSE"], [("Straße", "STRASSE")]),
        (["red apple", " Red  Apple", "red\u00a0apple"], [("red apple", " Red  Apple", "red\u00a0apple")]),
        (["\u0645\u06cc\u062e", "\u0645\u06cc\u200c\u062e"], [("\u0645\u06cc\u062e", "\u0645\u06cc\u200c\u062e")]),
        (["redapple", "red apple"], []),
        (["0", "1", "one"], []),
        ([], []),
    ],
)
def test_twins_are_found_in_their_order(classes: list[str], expected: list[tuple[str, ...]]) -> None:
    assert find_twins(classes) == expected
    assert find_twins(iter([*classes, *classes])) == expected


@pytest.mark.parametrize(
    ("names", "difference"),
    [
        (("Cat", "cat"), "letter case"),
        (("Straße", "STRASSE"), "letter case"),
        (("\u00c4pfel", "A\u0308pfel"), "the form of their accented letters"),
        (("red apple", "Red  apple"), "blanks and letter case"),
        (("\u0645\u06cc\u062e", "\u0645\u06cc\u200c\u062e"), "characters that show nothing"),
    ],
)
def test_the_difference_is_described(names: tuple[str, str], difference: str) -> None:
    assert describe_difference(names) == difference
