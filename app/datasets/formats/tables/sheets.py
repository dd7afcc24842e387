"""Chooses the sheets of a workbook that are one table of images, and joins their rows."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.datasets.formats.base import shorten
from app.datasets.formats.tables.column_names import FILENAME_NAMES
from app.datasets.formats.tables.column_view import has_image_ending
from app.datasets.formats.tables.rows import Row
from app.datasets.formats.tables.subset_columns import has_subset_name, subset_of_words

_SEARCHED_ROWS = 50
_NAMES_COLUMN, _NAMES_IMAGES = 2, 3
ADDED_COLUMN = "split"


@dataclass(frozen=True)
class Sheet:
    """A sheet that was read: its title and its rows, by their numbers in the sheet."""

    title: str
    rows: list[Row]


@dataclass(frozen=True)
class JoinedSheets:
    """The rows of one or several sheets, counted through; `starts` is the number before the first row of each."""

    rows: list[Row]
    titles: tuple[str, ...]
    starts: tuple[int, ...]
    has_split: bool = False

    def name_row(self, number: int) -> str:
        """Return a row as the user finds it: by its number in its sheet, with the sheet where there are several."""
        if len(self.titles) == 1:
            return f"row {number}"
        place = bisect_right(self.starts, number - 1) - 1
        return f"sheet {shorten(self.titles[place], 40)!r}, row {number - self.starts[place]}"

    def describe(self, titles: Sequence[str]) -> tuple[str, ...]:
        """Return the choice in words; `titles` are those of all sheets."""
        shown = [repr(shorten(title, 40)) for title in self.titles]
        note = (
            f"Sheet: {shown[0]}."
            if len(shown) == 1
            else f"Sheets, read as one table: {shorten(', '.join(shown), 300)}."
        )
        if self.has_split:
            note += " Their names make up the split 'original'."
        others = [shorten(title, 40) for title in titles if title not in self.titles]
        return (f"{note} Sheets that are not read: {shorten(', '.join(others), 300)}." if others else note,)


def choose_sheets(
    sheets: Sequence[Sheet], used: Collection[str] = (), *, is_split_wanted: bool = True
) -> JoinedSheets | None:
    """Return the sheets that name images, else the first with at least two filled rows; None for an empty workbook.

    Several are one table when they have the same columns, and either are called like subsets or share no image. When
    the columns in use are known, the others may differ. Without `is_split_wanted` the names of sheets say no subset.
    """
    rates = [_rate(sheet.rows[:_SEARCHED_ROWS]) for sheet in sheets]
    best = max(rates, default=0)
    if not best:
        return None
    fitting = [sheet for sheet, rate in zip(sheets, rates, strict=True) if rate == best]
    first = fitting[0]
    start = _find_header(first.rows)
    header = first.rows[start]
    same = [sheet for sheet in fitting if best >= _NAMES_COLUMN and _find_columns(header, sheet, used) is not None]
    if len(same) < 2:
        return JoinedSheets(first.rows, (first.title,), (0,))
    subsets = [found[0] if (found := subset_of_words(sheet.title)) else None for sheet in same]
    if None in subsets or len(set(subsets)) < len(same) or "train" not in subsets:
        return _join(_keep_disjoint(same) if best == _NAMES_IMAGES else same[:1], [], used)
    has_own = any(has_subset_name(cell) for cell in header.cells) or not _has_header(header)
    return _join(same, [str(subset) for subset in subsets] if is_split_wanted and not has_own else [], used)


def explain_unread(sheets: Sequence[Sheet], chosen: JoinedSheets, used: Collection[str]) -> dict[str, str]:
    """Return the sheets with file names that are not among the chosen ones, each with the reason if it is known."""
    first = next(sheet for sheet in sheets if sheet.title == chosen.titles[0])
    header = first.rows[_find_header(first.rows)]
    found: dict[str, str] = {}
    for sheet in sheets:
        if sheet.title in chosen.titles or _rate(sheet.rows[:_SEARCHED_ROWS]) < _NAMES_COLUMN:
            continue
        places = _place_columns(sheet)
        missing = [cell.strip() for cell in header.cells if _plain(cell) in used and _plain(cell) not in places]
        found[sheet.title] = f"it has no column {shorten(missing[0], 40)!r}" if missing and places else ""
    return found


def _rate(rows: list[Row]) -> int:
    """Return how surely a sheet is a table of images, from 0 for one without rows to 3 for one with file names."""
    filled = [[cell.strip() for cell in row.cells if cell.strip()] for row in rows if any(row.cells)]
    if len(filled) < 2:
        return 0
    if any(has_image_ending(cell) for cells in filled for cell in cells):
        return _NAMES_IMAGES
    has_name = any(cell.casefold() in FILENAME_NAMES for cells in filled if len(cells) > 1 for cell in cells)
    return _NAMES_COLUMN if has_name else 1


def _find_header(rows: Sequence[Row]) -> int:
    """Return the place of the first row with several filled cells; those before it are titles."""
    places = (place for place, row in enumerate(rows) if sum(bool(cell.strip()) for cell in row.cells) > 1)
    return next(places, 0)


def _has_header(row: Row) -> bool:
    return not any(map(has_image_ending, row.cells))


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()


def plain_names(names: Iterable[str]) -> frozenset[str]:
    """Return names of columns as they are compared."""
    return frozenset(map(_plain, names))


def _place_columns(sheet: Sheet) -> Mapping[str, int]:
    """Return the columns of a sheet by their names; none without a header."""
    own = sheet.rows[_find_header(sheet.rows)]
    if not _has_header(own):
        return {}
    return {_plain(cell): place for place, cell in reversed(list(enumerate(own.cells)))}


def _find_columns(header: Row, sheet: Sheet, used: Collection[str]) -> list[int] | None:
    """Return where a sheet has the columns of a header, -1 for one it lacks; None when it lacks one that is used.

    Every column counts as used while those that are used are not known, or have names that the header has not.
    """
    own = sheet.rows[_find_header(sheet.rows)]
    if not _has_header(header) or not _has_header(own):
        is_alike = not _has_header(header) and not _has_header(own) and len(own.cells) == len(header.cells)
        return list(range(len(header.cells))) if is_alike else None
    places = _place_columns(sheet)
    names = [_plain(cell) for cell in header.cells]
    found = [places.get(name, -1) for name in names]
    wanted = set(used) if used and set(used) <= set(names) else set(names) - {""}
    is_whole = all(place >= 0 for place, name in zip(found, names, strict=True) if name in wanted)
    return found if is_whole else None


def _keep_disjoint(sheets: Sequence[Sheet]) -> list[Sheet]:
    """Return the first sheet with those that name no image of one before: an older list of the same is no more rows."""
    kept: list[Sheet] = []
    known: set[str] = set()
    for sheet in sheets:
        names = {cell.strip() for row in sheet.rows for cell in row.cells if has_image_ending(cell)}
        if not names & known:
            kept.append(sheet)
            known |= names
    return kept


def _join(sheets: Sequence[Sheet], subsets: Sequence[str], used: Collection[str]) -> JoinedSheets:
    """Return the rows of the sheets, those of the others below the first; `subsets` become a column of their own."""
    if len(sheets) == 1:
        return JoinedSheets(sheets[0].rows, (sheets[0].title,), (0,))
    top = _find_header(sheets[0].rows)
    header = sheets[0].rows[top]
    width = len(header.cells)
    rows: list[Row] = []
    starts: list[int] = []
    for index, sheet in enumerate(sheets):
        offset = rows[-1].number if rows else 0
        starts.append(offset)
        columns = _find_columns(header, sheet, used) or []
        begin = _find_header(sheet.rows) + _has_header(header) if index else 0
        for place, row in enumerate(sheet.rows[begin:], start=begin):
            cells = row.cells
            if place >= top or index:
                cells = [row.cells[column] if 0 <= column < len(row.cells) else "" for column in columns]
                cells += row.cells[width:] if not index and len(row.cells) > width else []
            if subsets and (place >= top or index) and any(row.cells):
                cells = [*cells[:width], ADDED_COLUMN if not index and place == top else subsets[index], *cells[width:]]
            rows.append(row._replace(number=row.number + offset, cells=cells))
    return JoinedSheets(rows, tuple(sheet.title for sheet in sheets), tuple(starts), bool(subsets))
