"""Finds classes whose names may mean the same: they differ in letter case, Unicode form, blanks or joiners only."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

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
    found = [
        what
        for what in _STEPS
        if len({_apply([step for other, step in _STEPS.items() if other != what], name) for name in names}) > 1
    ]
    return " and ".join(found) or "the form of their letters"


def tidy_name(name: str) -> str:
    """Return a name as people would type it: composed letters, and single blanks only between words."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def _apply(steps: Iterable[Callable[[str], str]], name: str) -> str:
    for step in steps:
        name = step(name)
    return name


# Twins that are still different without one of the steps differ in what that step takes away.
_STEPS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "the form of their accented letters": partial(unicodedata.normalize, "NFC"),
        "invisible characters": lambda name: name.translate(_WITHOUT_JOINERS),
        "blanks": lambda name: " ".join(name.split()),
        "letter case": str.casefold,
    }
)


def _fold(name: str) -> str:
    if name.isascii():
        return " ".join(name.split()).lower()
    name = unicodedata.normalize("NFC", name.translate(_WITHOUT_JOINERS))
    return fold_name(" ".join(name.split()))
