"""The ways in which a name of a document leads to a file, and the notes that count those other than the exact one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import IntEnum

from app.plurals import count


class Match(IntEnum):
    """How a name led to its file, the surest way first."""

    EXACT = 0
    LETTERS = 1
    STEM = 2
    LAST_PART = 3
    UPLOAD_PREFIX = 4
    NUMBER = 5
    LONGER_NUMBER = 6


# The noun, what is said of one of them, and what is said of several.
_NOTES = {
    Match.LETTERS: (
        "name",
        "differs from that of its file in upper case or in the Unicode form of a letter",
        "differ from those of their files in upper case or in the Unicode form of a letter",
    ),
    Match.STEM: (
        "name",
        "without a file ending was matched to the one file of that name",
        "without a file ending were matched to the one file of that name",
    ),
    Match.LAST_PART: (
        "path",
        "does not exist in the source; the one file of the same name was used",
        "do not exist in the source; the one file of the same name was used",
    ),
    Match.UPLOAD_PREFIX: (
        "name",
        "begins with the prefix of an upload; the one file of the name behind it was used",
        "begin with the prefix of an upload; the one file of the name behind it was used",
    ),
    Match.NUMBER: (
        "number",
        "lost its leading zeros, as in spreadsheets; the one file of the same number was used",
        "lost their leading zeros, as in spreadsheets; the one file of the same number was used",
    ),
    Match.LONGER_NUMBER: (
        "number",
        "has more leading zeros than the name of its file; the one file of the same number was used",
        "have more leading zeros than the names of their files; the one file of the same number was used",
    ),
}


def describe_matches(matches: Iterable[Match]) -> tuple[str, ...]:
    """Return a note, with a count, for each way other than the exact one in which names were matched."""
    counts = Counter(matches)
    return tuple(
        f"{count(counts[match], noun)} {one if counts[match] == 1 else several}."
        for match, (noun, one, several) in _NOTES.items()
        if counts[match]
    )
