"""Finds out what the columns of a table mean from the options, their names and their first cells. Reads no images."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePosixPath

from app.datasets.formats.base import ChoiceError, SourceError, shorten
from app.datasets.formats.column_names import (
    FILENAME_NAMES,
    ID_NAME,
    INDEX_NAME,
    LABEL_NAMES,
    VALUE_NAMES,
    WEAK_LABEL_NAMES,
)
from app.datasets.formats.one_hot import find_one_hot
from app.datasets.formats.subset_columns import SubsetColumns, find_subset_columns, has_subset_name
from app.datasets.formats.tables import Row, Table, is_measure, is_number
from app.datasets.formats.tree import IMAGE_ENDINGS
from app.schemas.datasets import ImportOptions
from app.schemas.import_report import ColumnSample
from app.schemas.tasks import AnnotationKind

_PEEKED_ROWS = 50
_MAX_SAMPLES = 3
_MAX_SHOWN_COLUMNS = 1000
_MAX_TARGETS = 1000
_MIN_SHARE = 0.5
_CHOOSE = "Name the columns with the options filename_column and target_columns."


@dataclass(frozen=True)
class Columns:
    """Which columns are used, counted from 0. `names` has one name, no two alike, for each column.

    `first_row`: number of the first row of images; before it are the header and what stands above it.
    """

    filename: int
    targets: tuple[int, ...]
    names: tuple[str, ...]
    has_header: bool
    first_row: int
    subsets: SubsetColumns | None = None
    is_one_hot: bool = False
    notes: tuple[str, ...] = ()
    shown: tuple[ColumnSample, ...] = ()
    left_out: tuple[str, ...] = field(default=())  # columns of numbers with units, which the user should hear of

    @property
    def value_names(self) -> tuple[str, ...]:
        """Names of the target columns."""
        if self.has_header:
            return tuple(self.names[i] for i in self.targets)
        return ("value",) if len(self.targets) == 1 else tuple(f"value_{i}" for i in range(len(self.targets)))


@dataclass
class _View:
    """The columns of a table with their first cells, while they are chosen."""

    names: list[str]
    cells: list[list[str]]
    has_header: bool
    first_row: int
    is_file: Callable[[str], bool]
    raw_names: list[str]
    taken: set[int] = field(default_factory=set)

    def find(self, wanted: Iterable[str]) -> int | None:
        """Return the first free column that has one of some names, whatever its case, the first name first."""
        for name in wanted:
            for names in (self.names, self.raw_names):
                for index, own in enumerate(names):
                    if index not in self.taken and own.casefold() == name.strip().casefold():
                        return index
        return None

    def demand(self, name: str) -> int:
        """Return the column that the user named; raises ChoiceError that lists those that are there."""
        exact = next((i for i, own in enumerate(self.names) if own == name.strip()), None)
        index = exact if exact is not None else self.find([name])
        if index is None:
            raise self.missing(name)
        return index

    def missing(self, column: str) -> ChoiceError:
        """Return the error for a column that is not there."""
        there = ", ".join(shorten(name) for name in self.names[:20])
        what = "column of numbers" if column == "value" else f"column {column!r}"
        msg = f"The table has no {what}. Its columns are: {there}."
        return ChoiceError(msg, _CHOOSE, columns=self.show())

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
        """Say whether a column only counts the rows or has nothing in it."""
        if not any(self.cells[index]):
            return True
        if self.has_header:
            return not self.raw_names[index] or INDEX_NAME.fullmatch(self.raw_names[index].casefold()) is not None
        return index == 0 and _is_counter(self.cells[index])


def choose_columns(
    table: Table, kind: AnnotationKind, options: ImportOptions, is_file: Callable[[str], bool]
) -> Columns:
    """Find the columns by the options, their names and their first cells; raises ChoiceError that lists them.

    `is_file` says whether a cell is the name of a file of the source.
    """
    view = _look(table, options, is_file)
    filename = view.demand(options.filename_column) if options.filename_column else _find_filename(view)
    view.taken.add(filename)
    subsets = _find_subsets(view, options)
    if subsets is not None:
        view.taken |= subsets.columns
    targets, is_one_hot = _find_targets(view, kind, options)
    if len(targets) > _MAX_TARGETS:
        msg = f"The table has {len(targets):,} columns of values; {_MAX_TARGETS:,} is the most."
        raise ChoiceError(msg, "Name those to use with the option target_columns.", columns=view.show())
    view.taken |= set(targets)
    others = [index for index in range(len(view.names)) if index not in view.taken and not view.is_index(index)]
    return Columns(
        filename,
        tuple(targets),
        tuple(view.names),
        view.has_header,
        view.first_row,
        subsets,
        is_one_hot,
        _describe(view, filename, targets, subsets, others, is_one_hot=is_one_hot),
        view.show(filename=[filename], target=targets, subset=subsets.columns if subsets else ()),
        tuple(view.names[i] for i in others if kind == "values" and view.share(i, is_measure) >= _MIN_SHARE),
    )


def names_files(table: Table, options: ImportOptions) -> bool:
    """Say whether a table has a column that is called like one of file names, or holds some."""
    try:
        view = _look(table, options, has_image_ending)
        _find_filename(view)
    except ChoiceError:
        return False
    return True


def has_image_ending(cell: str) -> bool:
    """Say whether a cell ends like the name of an image file."""
    name = cell.strip().partition("?")[0][-300:].replace("\\", "/")
    return PurePosixPath(name).suffix.lower() in IMAGE_ENDINGS


def _look(table: Table, options: ImportOptions, is_file: Callable[[str], bool]) -> _View:
    """Return the columns with their first cells; raises SourceError for a table without rows."""
    peeked = list(islice((row for row in table.rows() if any(map(str.strip, row.cells))), _PEEKED_ROWS))
    if not peeked:
        broken = next((row for row in table.rows() if row.error), None)
        msg = f"The table {table.name} is empty." if broken is None else f"{table.name}: {broken.error}"
        raise SourceError(msg, broken.fix if broken else "Write one row per image: its file name and its target.")
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
    width = max(width, len(header or ()))
    raw = [*(header or ()), *[""] * (width - len(header or ()))]
    cells = [[row[index] if index < len(row) else "" for row in rows] for index in range(width)]
    return _View(_name_columns(raw), cells, header is not None, first_row, is_file, raw)


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


def _find_words(cells: Sequence[str], words: Sequence[str]) -> list[str]:
    return [cell for cell in cells if cell.strip().casefold() in words]


def _find_filename(view: _View) -> int:
    """Return the column whose cells are names of image files; raises ChoiceError when none is."""
    ranks = {name: rank for rank, name in enumerate(FILENAME_NAMES)}
    places = sorted(range(len(view.names)), key=lambda index: ranks.get(view.raw_names[index].casefold(), len(ranks)))
    with_ending = [index for index in places if view.share(index, has_image_ending) >= _MIN_SHARE]
    named = [index for index in places if view.raw_names[index].casefold() in ranks]
    for index in [*with_ending, *named]:
        if any(cell and view.is_file(cell) for cell in view.cells[index][:_PEEKED_ROWS]):
            return index
    if with_ending or named:
        return (with_ending or named)[0]
    for index in range(len(view.names)):
        if view.share(index, is_number) < _MIN_SHARE and view.share(index, view.is_file) == 1:
            return index
    raise view.missing("filename")


def _find_subsets(view: _View, options: ImportOptions) -> SubsetColumns | None:
    if options.split_column is not None:
        if not options.split_column.strip():
            return None
        index = view.demand(options.split_column)
        return find_subset_columns({index: view.names[index]}, {index: view.cells[index]}, is_chosen=True)
    targets = {view.find([name]) for name in options.target_columns or []}
    free = [i for i in range(len(view.names)) if i not in view.taken | targets and any(view.cells[i])]
    labels = {i for i in free if view.names[i].casefold() in LABEL_NAMES}
    names = {i: view.names[i] for i in free if i not in labels}
    found = find_subset_columns(names, {i: view.cells[i] for i in names})
    return None if found is not None and len(free) == len(found.columns) else found


def _find_targets(view: _View, kind: AnnotationKind, options: ImportOptions) -> tuple[list[int], bool]:
    """Return the columns of the label or the values, and whether each is one class."""
    others = [index for index in range(len(view.names)) if index not in view.taken]
    if options.target_columns:
        chosen = list(dict.fromkeys(view.demand(name) for name in options.target_columns))
        if kind != "label" or len(chosen) == 1:
            return chosen, False
        if len(find_one_hot({index: view.cells[index] for index in chosen})) != len(chosen):
            msg = "Several columns can be a label only when they hold 0 and 1, one column per class."
            raise ChoiceError(msg, "Name one column with the option target_columns.", columns=view.show())
        return chosen, True
    filled = [index for index in others if any(view.cells[index])] or others
    plain = [index for index in filled if not view.is_index(index)] or filled
    return _find_values(view, plain) if kind == "values" else _find_label(view, plain)


def _find_label(view: _View, plain: Sequence[int]) -> tuple[list[int], bool]:
    named = view.find(LABEL_NAMES)
    if named is not None:
        return [named], False
    free = [i for i in plain if not ID_NAME.fullmatch(view.names[i].casefold()) and not has_subset_name(view.names[i])]
    one_hot = find_one_hot({index: view.cells[index] for index in free})
    if one_hot:
        return one_hot, True
    weak = view.find(WEAK_LABEL_NAMES)
    if weak is not None:
        return [weak], False
    for pool in (plain, free):
        if len(pool) == 1:
            return [pool[0]], False
    words = [i for i in free if view.share(i, is_measure) < _MIN_SHARE and _has_repeats(view.cells[i])]
    if len(words) == 1:
        return words, False
    raise view.missing("label")


def _find_values(view: _View, plain: Sequence[int]) -> tuple[list[int], bool]:
    """Return every column of numbers, in order; only those called value_0, value_1 ... where there are such."""
    numbered = [index for index in plain if _is_numbered_value(view.names[index])]
    if numbered:
        return sorted(numbered, key=lambda index: int(view.names[index].rpartition("_")[2])), False
    if len(plain) == 1:
        return list(plain), False
    free = [i for i in plain if not ID_NAME.fullmatch(view.names[i].casefold()) and not has_subset_name(view.names[i])]
    numbers = [index for index in free if view.share(index, is_number) >= _MIN_SHARE]
    if numbers:
        return numbers, False
    named = view.find(VALUE_NAMES)
    if named is not None:
        return [named], False
    measures = [index for index in free if view.share(index, is_measure) >= _MIN_SHARE]
    if len(measures) == 1 or len(free) == 1:
        return measures or free, False
    raise view.missing("value")


def _describe(
    view: _View,
    filename: int,
    targets: Sequence[int],
    subsets: SubsetColumns | None,
    others: Sequence[int],
    *,
    is_one_hot: bool,
) -> tuple[str, ...]:
    """Return the choice in words."""
    found = shorten(", ".join(shorten(view.names[i]) for i in targets[:20]), 400)
    what = "One column per class" if is_one_hot else "Target" if len(targets) == 1 else "Values, in this order"
    first = f"File name: column {shorten(view.names[filename])!r}. {what}: {found}."
    if not view.has_header:
        first = f"There is no header; {first[0].lower()}{first[1:]}"
    notes = [first]
    if subsets is not None:
        notes.append(subsets.note(view.names))
    if others:
        notes.append(
            f"Columns that are not used: {shorten(', '.join(shorten(view.names[i]) for i in others[:20]), 400)}."
        )
    return tuple(notes)


def _is_numbered_value(name: str) -> bool:
    head, _, digits = name.casefold().rpartition("_")
    return head == "value" and digits.isascii() and digits.isdigit() and len(digits) < 6


def _is_counter(column: Sequence[str]) -> bool:
    """Say whether a column counts 0, 1, 2 ... or 1, 2, 3 ..."""
    return any(list(column) == [str(start + i) for i in range(len(column))] for start in (0, 1))


def _has_repeats(column: Sequence[str]) -> bool:
    """Say whether the same cells come again and again, as names of classes do."""
    filled = [cell for cell in column if cell]
    return len(set(filled)) < len(filled)
