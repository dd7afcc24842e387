"""Looks at the first rows of a table: its header, the names of its columns, and their first cells."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import PurePosixPath

from app.datasets.formats.base import ChoiceError, SourceError, shorten
from app.datasets.formats.layouts.tree import IMAGE_ENDINGS
from app.datasets.formats.tables.column_names import FILENAME_NAMES, list_aliases
from app.datasets.formats.tables.row_counters import are_distinct_whole_numbers, counts_rows, is_counter, may_count_rows
from app.datasets.formats.tables.rows import Row, Table
from app.schemas.datasets import ImportOptions
from app.schemas.import_report import ColumnSample

MIN_SHARE = 0.5
_PEEKED_ROWS = 50
_MAX_SAMPLES = 3
_MAX_SHOWN_COLUMNS = 1000
_CHOOSE = "Choose the column with the file names and the column with the labels."


@dataclass
class View:
    """The columns of a table with their first cells, while they are chosen."""

    names: list[str]
    cells: list[list[str]]
    has_header: bool
    first_row: int
    is_file: Callable[[str], bool]
    raw_names: list[str]
    read_column: Callable[[int], list[str]]
    has_more_rows: bool = False
    taken: set[int] = field(default_factory=set)
    _are_indices: dict[int, bool] = field(default_factory=dict)

    @cached_property
    def _exact(self) -> dict[str, int]:
        """The columns by their names."""
        return {name: index for index, name in enumerate(self.names)}

    @cached_property
    def _places(self) -> tuple[dict[str, list[int]], ...]:
        """The columns by their names, by those that the table gives them, and by aliases, in any case of letters."""
        found: tuple[dict[str, list[int]], dict[str, list[int]], dict[str, list[int]]] = ({}, {}, {})
        for places, names in zip(found, (self.names, self.raw_names), strict=False):
            for index, name in enumerate(names):
                places.setdefault(name.casefold(), []).append(index)
        for index, name in enumerate(self.raw_names):
            for alias in list_aliases(name.casefold()):
                found[2].setdefault(alias, []).append(index)
        return found

    def find(self, wanted: Iterable[str]) -> int | None:
        """Return the first free column that has one of some names, whatever its case, the first name first."""
        for name in map(_compose, wanted):
            for places in self._places:
                for index in places.get(name.strip().casefold(), ()):
                    if index not in self.taken:
                        return index
        return None

    def demand(self, name: str) -> int:
        """Return the column that the user named; raises ChoiceError that lists those that are there."""
        exact = self._exact.get(_compose(name).strip())
        index = exact if exact is not None else self.find([name])
        if index is None:
            raise self.missing(name)
        return index

    def missing(self, column: str) -> ChoiceError:
        """Return the error for a column that is not there."""
        there = ", ".join(shorten(name) for name in self.names[:20])
        what = "column of numbers" if column == "value" else f"column {column!r}"
        msg = f"The table has no {what}. Its columns are: {there}."
        return ChoiceError(msg, _CHOOSE, columns=self.show(), missing=what)

    def show(self, **roles: Iterable[int]) -> tuple[ColumnSample, ...]:
        """Return the columns with their first cells, to choose from."""
        role_of = {index: role for role, indices in roles.items() for index in indices}
        return tuple(
            ColumnSample.model_validate(
                {
                    "name": name,
                    "samples": [shorten(cell) for cell in cells if cell][:_MAX_SAMPLES],
                    "role": role_of.get(index, "unused"),
                }
            )
            for index, (name, cells) in enumerate(
                zip(self.names[:_MAX_SHOWN_COLUMNS], self.cells[:_MAX_SHOWN_COLUMNS], strict=True)
            )
        )

    def share(self, index: int, fits: Callable[[str], bool]) -> float:
        """Return the share of the filled first cells that fit."""
        filled = [cell for cell in self.cells[index] if cell]
        return sum(fits(cell) for cell in filled) / len(filled) if filled else 0.0

    def is_index(self, index: int) -> bool:
        """Say whether a column only counts the rows or has nothing in it.

        The first cells decide where they can; the whole column is read only for distinct numbers out of order.
        """
        if index not in self._are_indices:
            self._are_indices[index] = not any(self.cells[index]) or self._counts_rows(index)
        return self._are_indices[index]

    def _counts_rows(self, index: int) -> bool:
        cells = self.cells[index]
        if not may_count_rows(self.raw_names, index, has_header=self.has_header):
            return False
        if is_counter(cells):
            return True
        if not self.has_header:
            return False
        if not self.has_more_rows or not are_distinct_whole_numbers(cells):
            return counts_rows(self.raw_names[index], cells)
        return counts_rows(self.raw_names[index], self.read_column(index))


def has_image_ending(cell: str) -> bool:
    """Say whether a cell ends like the name of an image file."""
    name = cell.strip().partition("?")[0][-300:].replace("\\", "/")
    return PurePosixPath(name).suffix.lower() in IMAGE_ENDINGS


def look_at_columns(table: Table, options: ImportOptions, is_file: Callable[[str], bool]) -> View:
    """Return the columns with their first cells; raises SourceError for a table without rows."""
    peeked = list(islice((row for row in table.rows() if any(map(str.strip, row.cells))), _PEEKED_ROWS))
    if not peeked:
        broken = next((row for row in table.rows() if row.error), None)
        msg = f"The table {table.name} is empty." if broken is None else f"{table.name}: {broken.error}"
        raise SourceError(msg, broken.fix if broken else "Write one row per image: its file name and its target.")
    has_more = len(peeked) == _PEEKED_ROWS
    peeked = peeked[_count_titles(peeked) :]
    rows = [[cell.strip() for cell in row.cells] for row in peeked]
    first_row = peeked[0].number
    header = list(table.header) if table.header is not None else None
    has_own_row = header is None and _is_header(rows[0], options, is_file)
    if has_own_row:
        header, rows, first_row = rows[0], rows[1:], first_row + 1
    elif header is None and len(table.comment_header) == len(rows[0]):
        header = list(table.comment_header) if _find_words(table.comment_header, FILENAME_NAMES) else None
    width = Counter(len(row) for row in rows).most_common(1)[0][0] if rows else 0
    if header is not None and width == len(header) + 1 and all(row[-1:] != [""] for row in rows):
        header = ["", *header]  # R leaves out the name of the column that counts the rows
    header = None if header is None else [_compose(name) for name in header]
    width = max(width, len(header or ()))
    raw = [*(header or ()), *[""] * (width - len(header or ()))]
    cells = [[row[index] if index < len(row) else "" for row in rows] for index in range(width)]

    def read_column(index: int) -> list[str]:
        filled = (row.cells for row in table.rows() if row.number >= first_row and any(map(str.strip, row.cells)))
        return [row[index].strip() if index < len(row) else "" for row in filled]

    return View(_name_columns(raw), cells, header is not None, first_row, is_file, raw, read_column, has_more)


def _count_titles(rows: Sequence[Row]) -> int:
    """Return how many of the first rows are titles: one filled cell above rows that have several."""
    filled = [sum(bool(cell.strip()) for cell in row.cells) for row in rows]
    if Counter(filled).most_common(1)[0][0] < 2:
        return 0
    count = 0
    while filled[count] == 1 and count < len(filled) - 1 and not any(map(has_image_ending, rows[count].cells)):
        count += 1
    return count if _find_words(rows[count].cells, FILENAME_NAMES) else 0


def _name_columns(raw: Sequence[str]) -> list[str]:
    """Return a name for each column: its number where it has none, with its number where another has the same."""
    names: list[str] = []
    seen: set[str] = set()
    for number, name in enumerate(raw, start=1):
        own = name or f"column {number}"
        own = f"{own} (column {number})" if own in seen else own
        seen.add(own)
        names.append(own)
    return names


def _is_header(row: Sequence[str], options: ImportOptions, is_file: Callable[[str], bool]) -> bool:
    """A row in which a cell is the name of an image file is data; every other first row names the columns."""
    wanted = [*(options.target_columns or []), *([options.filename_column] if options.filename_column else [])]
    if wanted and not all(re.fullmatch(r"column [0-9]+", name.strip()) for name in wanted):
        return True
    if any(has_image_ending(cell) for cell in row):
        return False
    return bool(_find_words(row, FILENAME_NAMES)) or not any(cell and is_file(cell) for cell in row[:20])


def _compose(name: str) -> str:
    """Return a name with composed letters, so that it does not matter which system wrote it."""
    return unicodedata.normalize("NFC", name)


def _find_words(cells: Sequence[str], words: Sequence[str]) -> list[str]:
    return [cell for cell in cells if cell.strip().casefold() in words]
