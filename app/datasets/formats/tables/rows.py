"""What every table is once it is open: rows of text. Text files, spreadsheets and JSON Lines are read alike."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
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


class OpenTables:
    """The tables of one reading that were opened last, as many as their files have up to some bytes.

    Whether a table fits is asked before it is read, and a workbook takes seconds to open.
    """

    def __init__(self, max_bytes: int = 16 * 2**20) -> None:
        """`max_bytes`: of the files together; the table that was opened last is kept whatever it has."""
        self._max_bytes = max_bytes
        self._tables: dict[Hashable, tuple[Table, int]] = {}

    def find(self, key: Hashable) -> Table | None:
        """Return an open table."""
        found = self._tables.get(key)
        return found[0] if found is not None else None

    def keep(self, key: Hashable, table: Table, num_bytes: int) -> None:
        """Keep a table, and give up those that were opened first where there are too many."""
        self._tables[key] = (table, num_bytes)
        while len(self._tables) > 1 and sum(size for _, size in self._tables.values()) > self._max_bytes:
            del self._tables[next(iter(self._tables))]

    def clear(self) -> None:
        """Give up all of them."""
        self._tables.clear()


_NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?")
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}([ '\u00a0\u2009\u202f\u2019][0-9]{3})+([.,][0-9]*)?")
_NOT_OF_NUMBER = re.compile(r"[ '\u00a0\u2009\u202f\u2019]")
_NUMBER_WITH_UNIT = re.compile(r"[+-]?[0-9][0-9.,' ]*\s*(%|[^\W\d_]{1,6}|[€$£])?")


def is_number(text: str) -> bool:
    """Say whether a cell is written like a number, with a decimal point or comma, also in groups of thousands."""
    return _NUMBER.fullmatch(join_thousands(text)) is not None


def join_thousands(text: str) -> str:
    """Return a number without the blanks or apostrophes that group its digits; any other text as it is.

    A point or a comma may group them as well, but in another number it is the decimal point.
    """
    return _NOT_OF_NUMBER.sub("", text) if _GROUPED.fullmatch(text) is not None else text


def is_measure(text: str) -> bool:
    """Say whether a cell is written like a number with thousands separators, a percent sign or a unit."""
    return _NUMBER_WITH_UNIT.fullmatch(text) is not None
