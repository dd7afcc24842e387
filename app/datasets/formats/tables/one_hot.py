"""Tables with one column per class, 1 in that of the image and 0 in the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.datasets.formats.base import shorten

_ONES = frozenset({"1", "1.0", "true", "yes", "x"})
_ZEROS = frozenset({"0", "0.0", "false", "no", ""})
_MIN_SHARE = 0.5
_MAX_NAMED = 5


class OneHotError(ValueError):
    """A row does not say one class; `fix` says what to write instead."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


def find_one_hot(cells: Mapping[int, Sequence[str]]) -> list[int]:
    """Return the columns that are one class each, or an empty list.

    `cells` has the first cells of each column that may be one. They are when at least two of them hold nothing but
    zeros and ones, and most rows have exactly one 1.
    """
    columns = find_flags(cells)
    if len(columns) < 2:
        return []
    rows = list(zip(*(cells[index] for index in columns), strict=True))
    num_single = sum(sum(is_one(cell) for cell in row) == 1 for row in rows)
    return columns if rows and num_single >= _MIN_SHARE * len(rows) else []


def find_flags(cells: Mapping[int, Sequence[str]]) -> list[int]:
    """Return the columns that hold nothing but zeros and ones."""
    return [index for index, column in cells.items() if _is_binary(column)]


def read_one_hot(cells: Sequence[str], names: Sequence[str]) -> str:
    """Return the class whose cell is 1; raises OneHotError for a row without or with several."""
    for cell, name in zip(cells, names, strict=True):
        if cell.casefold() not in _ONES | _ZEROS:
            msg = f"The cell of {shorten(name)!r} is {shorten(cell)!r}, neither 0 nor 1."
            raise OneHotError(msg, "Write 1 in the column of the class and 0 in the others.")
    ones = [name for cell, name in zip(cells, names, strict=True) if is_one(cell)]
    if len(ones) == 1:
        return ones[0]
    if not ones:
        raise OneHotError("The row has 1 in no column.", "Write 1 in the column of the class.")
    there = ", ".join(shorten(name) for name in ones[:_MAX_NAMED])
    raise OneHotError(f"The row has 1 in {len(ones)} columns: {there}.", "Write 1 in the column of one class only.")


def is_one(cell: str) -> bool:
    """Say whether a cell means yes."""
    return cell.casefold() in _ONES


def is_zero(cell: str) -> bool:
    """Say whether a cell means no; an empty one does."""
    return cell.casefold() in _ZEROS


def _is_binary(column: Sequence[str]) -> bool:
    """Say whether a column holds zeros and ones only, and not nothing at all."""
    return all(is_one(cell) or is_zero(cell) for cell in column) and any(column)
