"""Write a number with its noun, a list of words, a few of many names, or shares that sum to 100 %.

The standard library only, so that every layer can use it.
"""

from __future__ import annotations

from collections.abc import Sequence


def count(number: int, noun: str, plural: str = "") -> str:
    """Return "1 image" or "2 images"; `plural` is for nouns that take no s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def name_first(names: Sequence[str], most: int) -> str:
    """Return "a, b" or, of more names than `most`, "a, b and 7 more"."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def join_words(words: Sequence[str], last: str = "and") -> str:
    """Return words as a sentence lists them: `a, b and c`."""
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def divide_percent(numbers: Sequence[int], digits: int = 0) -> list[float]:
    """Return the percentage of each number with so many digits; they sum to 100, unless all numbers are 0.

    Each is rounded down, and what is missing goes to the largest remainders: rounded by themselves, shares of
    66.7, 16.7 and 16.7 % would sum to 101 %. Of equal remainders the smaller numbers come first, because these are more
    often equal to each other.
    """
    total, whole = sum(numbers), 100 * 10**digits
    if not total:
        return [0.0] * len(numbers)
    units = [number * whole // total for number in numbers]
    by_remainder = sorted(range(len(numbers)), key=lambda index: (-(numbers[index] * whole % total), numbers[index]))
    for index in by_remainder[: whole - sum(units)]:
        units[index] += 1
    return [unit / 10**digits for unit in units]
