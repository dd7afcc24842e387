"""Tells a column that counts the rows of a table from values in a column with such a name, like `row` or `index`."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Libraries write these into every table that they save: pandas leaves the name out, or calls it `Unnamed: 0`.
_NAMELESS = re.compile(r"(unnamed(: ?[0-9]+(\.[0-9]+)*)?(_level_[0-9]+)?)?")
_WRITTEN_BY_LIBRARIES = re.compile(r"index|idx|row_?id|row_names?|level_[0-9]+")
_WRITTEN_BY_PEOPLE = re.compile(r"row|#|no\.?|nr\.?")
_COLUMN_NAMES = frozenset({"col", "cols", "column"})
_WHOLE = re.compile(r"[0-9]{1,15}(\.0*)?")
_MAX_SPREAD, _MAX_SPREAD_OF_FEW = 20, 3
"""How many times its number of rows a table had before it was shuffled and divided: a subset of 5 % is left of it."""
_FEW_ROWS = 50  # so few free numbers are seldom twice the same, so that these tell nothing


def is_counter(column: Sequence[str]) -> bool:
    """Say whether a column counts 0, 1, 2 ... or 1, 2, 3 ..."""
    return any(list(column) == [str(start + i) for i in range(len(column))] for start in (0, 1))


def may_count_rows(names: Sequence[str], index: int, *, has_header: bool) -> bool:
    """Say whether a column is called like one that counts the rows; without a header only the first can be one."""
    if not has_header:
        return index == 0
    name = names[index].casefold()
    if name == "row" and not _COLUMN_NAMES.isdisjoint(map(str.casefold, names)):
        return False  # the two are a place on a grid
    return any(kind.fullmatch(name) for kind in (_NAMELESS, _WRITTEN_BY_LIBRARIES, _WRITTEN_BY_PEOPLE))


def are_distinct_whole_numbers(cells: Sequence[str]) -> bool:
    """Say whether no two filled cells are the same, and each is a whole number from 0 on."""
    numbers = _read_whole_numbers(cells)
    return numbers is not None and len(set(numbers)) == len(numbers)


def counts_rows(name: str, cells: Sequence[str]) -> bool:
    """Say whether all cells of a column that is called like a counter count rows, in order, shuffled or divided.

    A table that was joined from several counts again for each of them, and each number comes several times.
    """
    numbers = _read_whole_numbers(cells)
    if numbers is None:
        return False
    has_only_flags = max(numbers, default=0) < 2  # yes and no count nothing
    if not numbers or (_count_runs(numbers) * 2 <= len(numbers) and not has_only_flags):
        return True
    num_distinct, folded = len(set(numbers)), name.casefold()
    if _NAMELESS.fullmatch(folded):
        return num_distinct * 2 >= len(numbers)
    if num_distinct < len(numbers):
        return False
    if _WRITTEN_BY_LIBRARIES.fullmatch(folded):
        spread = _MAX_SPREAD if len(numbers) >= _FEW_ROWS else _MAX_SPREAD_OF_FEW
        return max(numbers) < spread * len(numbers)
    is_complete = min(numbers) in {0, 1} and max(numbers) - min(numbers) == len(numbers) - 1
    return is_complete or numbers == sorted(numbers)


def _read_whole_numbers(cells: Sequence[str]) -> list[int] | None:
    """Return the numbers of the filled cells; None where one is no whole number from 0 on."""
    filled = [cell for cell in cells if cell]
    return [int(float(cell)) for cell in filled] if all(map(_WHOLE.fullmatch, filled)) else None


def _count_runs(numbers: Sequence[int]) -> int:
    """Return how often the counting begins again at 0 or 1; the number of cells where it is no counting."""
    starts = [place for place, number in enumerate(numbers) if place == 0 or number != numbers[place - 1] + 1]
    return len(starts) if {numbers[place] for place in starts} in ({0}, {1}) else len(numbers) + 1
