"""Write a number with its noun. The standard library only, so that every layer can use it."""

from __future__ import annotations


def count(number: int, noun: str, plural: str = "") -> str:
    """Return "1 image" or "2 images"; `plural` is for nouns that take no s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
