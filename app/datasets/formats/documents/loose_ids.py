"""Matches ids that scripts write in another type than where they point: 1, 1.0 and "1" are the same id."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Union

Id = Union[int, str, float]  # noqa: UP007 - evaluated at run time by msgspec, also by Python 3.10


class LooseIds:
    """A set of ids. Where two of them are the same but for their type, an id matches only its own type."""

    def __init__(self, ids: Iterable[Id]) -> None:
        self._exact: dict[Id, Id] = {}
        self._loose: dict[str, list[Id]] = {}
        self.num_loose = 0
        """Matches of ids whose types differ."""
        for own in ids:
            if own not in self._exact:
                self._exact[own] = own
                self._loose.setdefault(_plain(own), []).append(own)

    def find(self, wanted: Id) -> Id | None:
        """Return the id of the set that is meant, or None."""
        own = self._exact.get(wanted)
        if own is None:
            same = self._loose.get(_plain(wanted), [])
            own = same[0] if len(same) == 1 else None
        if own is not None and type(own) is not type(wanted):
            self.num_loose += 1
        return own


def sort_ids(ids: Iterable[Id]) -> list[Id]:
    """Return numbers in order before texts; texts that are whole numbers are in order, too."""
    return sorted(ids, key=_rank)


def write_id(own: Id) -> str:
    """Return an id as text, a whole number without a point."""
    return own if isinstance(own, str) else _plain(own)


def _rank(own: Id) -> tuple[int, float, str]:
    if not isinstance(own, str):
        return 0, own, ""
    if own.isascii() and own.isdigit() and len(own) < 16:
        return 1, int(own), own
    return 2, 0, own


def _plain(own: Id) -> str:
    """Return the text of an id: whole numbers without a point, leading zeros kept."""
    if isinstance(own, float):
        return str(int(own)) if own.is_integer() and abs(own) < 2**53 else repr(own)
    text = str(own).strip()
    head, point, zeros = text.partition(".")
    return head if point and head.isdigit() and not zeros.strip("0") else text
