"""Classes that may be meant as one: which are twins, and in what they differ."""

from __future__ import annotations

import pytest

from app.datasets.class_twins import describe_difference, find_twins, tidy_name


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
        (("\u0645\u06cc\u062e", "\u0645\u06cc\u200c\u062e"), "invisible characters"),
        (("red apple", "red\u00a0apple"), "blanks"),
        ((" cat", "cat", "cat "), "blanks"),
        (("\u00c4pfel", "A\u0308pfel", "\u00e4pfel"), "the form of their accented letters and letter case"),
        (("\u00c4pfel", "a\u0308pfel"), "the form of their accented letters and letter case"),
    ],
)
def test_the_difference_is_described(names: tuple[str, ...], difference: str) -> None:
    assert describe_difference(names) == difference


@pytest.mark.parametrize(
    ("name", "tidy"),
    [
        (" cat", "cat"),
        ("cat ", "cat"),
        ("A\u0308pfel", "\u00c4pfel"),
        ("red \u00a0 apple", "red apple"),
        ("Cat", "Cat"),
    ],
)
def test_a_tidy_name_has_composed_letters_and_no_needless_blanks(name: str, tidy: str) -> None:
    assert tidy_name(name) == tidy
