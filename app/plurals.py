"""Write a number with its noun, or a few of many names. The standard library only, so that every layer can use it."""

from __future__ import annotations

from collections.abc import Sequence


def count(number: int, noun: str, plural: str = "") -> str:
    """Return "1 image" or "2 images"; `plural` is for nouns that take no s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def name_first(names: Sequence[str], most: int) -> str:
    """Return "a, b" or, of more names than `most`, "a, b and 7 more"."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")
