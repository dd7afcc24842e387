"""What every table is once it is open: rows of text. Text files, spreadsheets and JSON Lines are read alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol


class Row(NamedTuple):
    """A row by its number in the file. One with an `error` has no cells; `num_lost` rows are lost with it."""

    number: int
    cells: list[str]
    error: str = ""
    fix: str = ""
    num_lost: int = 1


class Table(Protocol):
    """An open table.

    `header` has the names of the columns where the format says what is a header; None: the first row may be one.
    `comment_header` has the cells of a comment before the first row, which may be the header.
    """

    path: Path
    name: str
    notes: tuple[str, ...]
    header: tuple[str, ...] | None
    comment_header: tuple[str, ...]
    has_decimal_commas: bool

    def rows(self) -> Iterator[Row]:
        """Yield the rows from the first one on; may be called again."""
        ...


_NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?")
_NUMBER_WITH_UNIT = re.compile(r"[+-]?[0-9][0-9.,' ]*\s*(%|[^\W\d_]{1,6}|[€$£])?")


def is_number(text: str) -> bool:
    """Say whether a cell is written like a number, with a decimal point or comma."""
    return _NUMBER.fullmatch(text) is not None


def is_measure(text: str) -> bool:
    """Say whether a cell is written like a number with thousands separators, a percent sign or a unit."""
    return _NUMBER_WITH_UNIT.fullmatch(text) is not None
