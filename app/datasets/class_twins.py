"""Finds classes whose names may mean the same: they differ in letter case, Unicode form, blanks or joiners only."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from app.schemas.names import JOINERS, fold_name

_WITHOUT_JOINERS = str.maketrans("", "", JOINERS)


def find_twins(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the names that may mean the same, two or more at a time, in the order in which they come."""
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(_fold(name), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def describe_difference(names: Sequence[str]) -> str:
    """Return in what twins differ, as the end of "They differ in"."""
    composed = {unicodedata.normalize("NFC", name) for name in names}
    if len(composed) == 1:
        return "the form of their accented letters"
    if len({name.translate(_WITHOUT_JOINERS) for name in composed}) == 1:
        return "characters that show nothing"
    return "letter case" if len({fold_name(name) for name in composed}) == 1 else "blanks and letter case"


def _fold(name: str) -> str:
    if name.isascii():
        return " ".join(name.split()).lower()
    name = unicodedata.normalize("NFC", name.translate(_WITHOUT_JOINERS))
    return fold_name(" ".join(name.split()))
