"""Finds out what the columns of a table mean from the options, their names and their first cells. Reads no images."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app.annotations.base import AnnotationKind
from app.datasets.formats.base import ChoiceError, shorten
from app.datasets.formats.tables.column_names import (
    FILENAME_NAMES,
    ID_NAME,
    LABEL_NAMES,
    VALUE_NAMES,
    WEAK_LABEL_NAMES,
    list_aliases,
)
from app.datasets.formats.tables.column_view import MIN_SHARE, View, has_image_ending, look_at_columns
from app.datasets.formats.tables.one_hot import find_flags, find_one_hot
from app.datasets.formats.tables.rows import Table, is_measure, is_number
from app.datasets.formats.tables.spreadsheet import SpreadsheetTable
from app.datasets.formats.tables.subset_columns import (
    SubsetColumns,
    find_subset_columns,
    has_subset_name,
    is_subset_cell,
)
from app.datasets.formats.tables.unused_columns import describe_unused, is_bookkeeping, list_unused
from app.schemas.datasets import ImportOptions
from app.schemas.import_report import ColumnSample

_MAX_TARGETS = 1000
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([T ,]+\d.*)?|\d{1,2}:\d\d(:\d\d.*)?", re.DOTALL)
_BOXES = re.compile(r"([^\s\d]\S* +)?(-?\d+(\.\d+)? +){3,5}-?\d+(\.\d+)?( .*)?", re.DOTALL)


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


def choose_columns(
    table: Table, kind: AnnotationKind, options: ImportOptions, is_file: Callable[[str], bool]
) -> Columns:
    """Find the columns by the options, their names and their first cells; raises ChoiceError that lists them.

    `is_file` says whether a cell is the name of a file of the source.
    """
    view = look_at_columns(table, options, is_file)
    filename = view.demand(options.filename_column) if options.filename_column else _find_filename(view)
    view.taken.add(filename)
    subsets = _find_subsets(view, options)
    if subsets is not None:
        view.taken |= subsets.columns
    targets, is_one_hot = _find_targets(view, kind, options)
    if len(targets) > _MAX_TARGETS:
        msg = f"The table has {len(targets):,} columns of values; {_MAX_TARGETS:,} is the limit."
        raise ChoiceError(msg, "Choose those to use (option target_columns).", columns=view.show())
    view.taken |= set(targets)
    others = list_unused(view)
    unused = describe_unused(view, table, others) if others else ""
    return Columns(
        filename,
        tuple(targets),
        _name_classes(view.names, targets) if is_one_hot else tuple(view.names),
        view.has_header,
        view.first_row,
        subsets,
        is_one_hot,
        _describe(
            view,
            filename,
            targets,
            None if isinstance(table, SpreadsheetTable) and table.has_split else subsets,  # its own note says it
            unused,
            _name_targets(kind, targets, is_one_hot=is_one_hot),
        ),
        view.show(filename=[filename], target=targets, subset=subsets.columns if subsets else ()),
        tuple(view.names[i] for i in others if kind.table_target == "numbers" and _has_units(view, i)),
    )


def names_files(table: Table, options: ImportOptions) -> bool:
    """Say whether a table has a column that is called like one of file names, or holds some."""
    try:
        view = look_at_columns(table, options, has_image_ending)
        _find_filename(view)
    except ChoiceError:
        return False
    return True


def _find_filename(view: View) -> int:
    """Return the column whose cells are names of image files; raises ChoiceError when none is."""
    ranks = {name: rank for rank, name in enumerate(FILENAME_NAMES)}
    last = len(ranks)
    rank_of = [min(ranks.get(name, last) for name in list_aliases(raw.casefold())) for raw in view.raw_names]
    places = sorted(range(len(view.names)), key=rank_of.__getitem__)
    with_ending = [index for index in places if view.share(index, has_image_ending) >= MIN_SHARE]
    named = [index for index in places if rank_of[index] < last]
    for index in [*with_ending, *named]:
        if any(cell and view.is_file(cell) for cell in view.cells[index]):
            return index
    if with_ending or named:
        return (with_ending or named)[0]
    for index in range(len(view.names)):
        if (view.share(index, is_number) < MIN_SHARE or _is_called_id(view.names[index])) and view.share(
            index, view.is_file
        ) == 1:
            return index
    raise view.missing("filename")


def _find_subsets(view: View, options: ImportOptions) -> SubsetColumns | None:
    if options.split_column is not None:
        if not options.split_column.strip():
            return None
        index = view.demand(options.split_column)
        return find_subset_columns({index: view.names[index]}, {index: view.cells[index]}, is_chosen=True)
    targets = {view.find([name]) for name in options.target_columns or []}
    used = view.taken | targets
    free = [i for i in range(len(view.names)) if i not in used and any(view.cells[i])]
    labels = {i for i in free if view.names[i].casefold() in LABEL_NAMES}
    names = {i: view.names[i] for i in free if i not in labels}
    found = find_subset_columns(names, {i: view.cells[i] for i in names})
    return None if found is not None and len(free) == len(found.columns) else found


def _find_targets(view: View, kind: AnnotationKind, options: ImportOptions) -> tuple[list[int], bool]:
    """Return the columns of the label or the values, and whether each is one class."""
    others = [index for index in range(len(view.names)) if index not in view.taken]
    if options.target_columns:
        chosen = list(dict.fromkeys(view.demand(name) for name in options.target_columns))
        if kind.table_target != "class" or len(chosen) == 1:
            return chosen, False
        if len(find_one_hot({index: view.cells[index] for index in chosen})) != len(chosen):
            msg = "Several columns can be a label only when they hold 0 and 1, one column per class."
            raise ChoiceError(msg, "Choose one column (option target_columns).", columns=view.show())
        return chosen, True
    filled = [index for index in others if any(view.cells[index])] or others
    plain = [index for index in filled if not view.is_index(index)] or filled
    if kind.table_target == "class":  # a column without a name holds remarks, where it does not count the rows
        plain = [index for index in plain if view.raw_names[index] or not view.has_header] or plain
    plain = [index for index in plain if view.share(index, _is_boxes) < MIN_SHARE]
    plain = [i for i in plain if not _is_about_file(view, i) and not is_bookkeeping(view, i)] or plain
    return _find_values(view, plain) if kind.table_target == "numbers" else _find_label(view, plain)


def _find_label(view: View, plain: Sequence[int]) -> tuple[list[int], bool]:
    named = view.find(LABEL_NAMES)
    if named is not None:
        return [named], False
    plain = [index for index in plain if not _holds_subsets(view, index)]
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
    words = [i for i in free if view.share(i, _is_no_word) < MIN_SHARE and _has_repeats(view.cells[i])]
    if len(words) == 1:
        return words, False
    flags = find_flags({index: view.cells[index] for index in free})
    if len(flags) > 1:
        there = shorten(", ".join(shorten(view.names[index]) for index in flags[:20]), 400)
        msg = f"The columns {there} hold 0 and 1, and most rows have several ones or none: an image has one class."
        fix = "Choose the column with the class, or write 1 in one column only."
        raise ChoiceError(msg, fix, columns=view.show())
    raise view.missing("label")


def _find_values(view: View, plain: Sequence[int]) -> tuple[list[int], bool]:
    """Return every column of numbers, in order; only those called value_0, value_1 ... where there are such."""
    numbered = [index for index in plain if _is_numbered_value(view.names[index])]
    if numbered:
        return sorted(numbered, key=lambda index: int(view.names[index].rpartition("_")[2])), False
    if len(plain) == 1:
        return list(plain), False
    free = [i for i in plain if not ID_NAME.fullmatch(view.names[i].casefold()) and not has_subset_name(view.names[i])]
    numbers = [index for index in free if view.share(index, is_number) >= MIN_SHARE]
    if numbers:
        return numbers, False
    named = view.find(VALUE_NAMES)
    if named is not None:
        return [named], False
    measures = [index for index in free if view.share(index, is_measure) >= MIN_SHARE]
    if len(measures) == 1 or len(free) == 1:
        return measures or free, False
    raise view.missing("value")


def _name_targets(kind: AnnotationKind, targets: Sequence[int], *, is_one_hot: bool) -> str:
    """Return what stands before the names of the target columns."""
    if is_one_hot:
        return "One column per class:"
    if len(targets) > 1:
        return "Values, in this order:"
    return "Value: column" if kind.table_target == "numbers" else "Class: column"


def _describe(
    view: View,
    filename: int,
    targets: Sequence[int],
    subsets: SubsetColumns | None,
    unused: str,
    target_words: str,
) -> tuple[str, ...]:
    """Return the choice in words."""
    found = shorten(", ".join(repr(shorten(view.names[i])) for i in targets[:20]), 400)
    first = f"File name: column {shorten(view.names[filename])!r}. {target_words} {found}."
    if not view.has_header:
        first = f"There is no header; {first[0].lower()}{first[1:]}"
    notes = [first]
    if subsets is not None:
        notes.append(subsets.note(view.names))
    if unused:
        notes.append(f"Columns that are not used: {unused}.")
    return tuple(notes)


def _is_about_file(view: View, index: int) -> bool:
    """Say whether a column is of the same object as a column in use: image.width beside image.path is no target."""
    outer = view.names[index].rpartition(".")[0]
    return bool(outer) and any(view.names[other].rpartition(".")[0] == outer for other in view.taken)


def _name_classes(names: Sequence[str], targets: Sequence[int]) -> tuple[str, ...]:
    """Return the names of the columns, those of classes without that of the object that all of them are in."""
    outer = {names[index].rpartition(".")[0] for index in targets}
    start = len(outer.pop()) + 1 if len(outer) == 1 and "" not in outer else 0
    return tuple(name[start:] if index in set(targets) else name for index, name in enumerate(names))


def _is_no_word(cell: str) -> bool:
    """Say whether a cell is a number, a date or a time, which are seldom classes."""
    return is_measure(cell) or _DATE.fullmatch(cell) is not None


def _is_boxes(cell: str) -> bool:
    """Say whether a cell has classes with the four numbers of a box behind each, as in competitions."""
    return _BOXES.fullmatch(cell) is not None


def _has_units(view: View, index: int) -> bool:
    """Say whether a column holds numbers with units, percent or thousands signs rather than plain ones."""
    return view.share(index, is_measure) >= MIN_SHARE and view.share(index, is_number) < MIN_SHARE


def _holds_subsets(view: View, index: int) -> bool:
    """Say whether a column named `partition` or the like holds the subset of each image and not its class."""
    return has_subset_name(view.names[index]) and all(is_subset_cell(cell) for cell in view.cells[index])


def _is_called_id(name: str) -> bool:
    return ID_NAME.fullmatch(name.casefold()) is not None


def _is_numbered_value(name: str) -> bool:
    head, _, digits = name.casefold().rpartition("_")
    return head == "value" and digits.isascii() and digits.isdigit() and len(digits) < 6


def _has_repeats(column: Sequence[str]) -> bool:
    """Say whether the same cells come again and again, as names of classes do."""
    filled = [cell for cell in column if cell]
    return len(set(filled)) < len(filled)
