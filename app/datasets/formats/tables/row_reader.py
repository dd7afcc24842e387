"""Turns the rows of a table into images with a label or with values. A row that cannot be used is a named problem."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from app.annotations.base import AnnotationKind
from app.datasets.formats.base import is_readable, shorten
from app.datasets.formats.layouts.file_finder import FileFinder, FoundFile, NoFileError
from app.datasets.formats.layouts.file_matches import describe_matches
from app.datasets.formats.layouts.walking import too_many_entries
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.tables.column_view import has_image_ending
from app.datasets.formats.tables.columns import Columns
from app.datasets.formats.tables.json_lines import ObjectTable, is_list
from app.datasets.formats.tables.one_hot import OneHotError, read_one_hot
from app.datasets.formats.tables.rows import Row, Table, is_number, join_thousands
from app.datasets.formats.tables.spreadsheet import SpreadsheetTable
from app.datasets.formats.tables.values import MAX_WORDS, RowError, has_decimal_commas, is_word, parse_number
from app.datasets.formats.work import Work
from app.plurals import count
from app.schemas.datasets import SplitValue

_FORMULA = "Formulas of a workbook need stored results: open and save it in a spreadsheet program."

Target: TypeAlias = "str | tuple[float, ...]"


@dataclass(frozen=True)
class TableImage:
    """An image of a table: its file, its label or values, and its subset."""

    file: FoundFile
    target: Target
    subset: SplitValue | None


@dataclass(frozen=True)
class _Entry:
    """What is used of a row; `error` says why it cannot be used, `num_lost` how many rows are lost with it."""

    number: int
    name: str
    texts: list[str]
    subset: SplitValue | None
    error: RowError | None = None
    num_lost: int = 1


class RowReader:
    """Reads one table."""

    def __init__(self, table: Table, columns: Columns, finder: FileFinder, work: Work) -> None:
        self.problems = work.new_problems()
        self._work = work
        self._table = table
        self._columns = columns
        self._finder = finder
        self._notes: list[str] = []
        self._has_decimal_comma = False
        self._has_groups = False
        self._has_quoted_decimals = False
        self._subset_words: dict[str, SplitValue] = {}
        self.words: dict[str, None] = {}
        """The first cells without a digit where a number belongs, each once."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found out while reading."""
        words = ", ".join(
            f"{shorten(word, 40)!r} is {subset}" for word, subset in list(self._subset_words.items())[:10]
        )
        subsets = [f"Words in the column of the subset: {words}."] if words else []
        return (
            *self._notes,
            *subsets,
            *(["Decimal commas were read as decimal points."] if self._has_decimal_comma else []),
            *(["Blanks or apostrophes that group digits were left out of numbers."] if self._has_groups else []),
        )

    def read(self, kind: AnnotationKind) -> list[TableImage]:
        """Return the images of the usable rows, each once; the other rows are problems."""
        entries = list(self._read_entries())
        if not entries:
            message = "The table has no rows."
            self.problems.add(self._table.name, message, "Write one row per image.", kind="bad_row")
        self._has_quoted_decimals = kind.table_target == "numbers" and has_decimal_commas(
            text for entry in entries for text in entry.texts
        )
        files = self._finder.find_all(entry.name for entry in entries if entry.name)
        images: dict[Path, tuple[int, TableImage]] = {}
        lost: list[tuple[_Entry, RowError, FoundFile | None]] = []
        for entry in entries:
            self._work.step(f"Reading the targets of {self._table.name}", entry.number)
            found = files.get(entry.name)
            file = found if isinstance(found, FoundFile) else None
            try:
                if entry.error is not None:
                    raise entry.error
                file = _demand_file(found)
                image = TableImage(file, self._read_target(entry, kind), entry.subset)
                self._check_repeated(entry, image, images)
                images.setdefault(file.path, (entry.number, image))
            except RowError as error:
                lost.append((entry, error, file))
        for entry, reason, file in lost:
            # A file that another row brings in is not lost: only the row is.
            path = file.path if file is not None and file.path not in images else None
            self._lose(entry, reason, path)
        kept = [image for _, image in images.values()]
        self._notes += describe_matches(image.file.match for image in kept)
        return self._drop_lone_subset(kept)

    def _read_entries(self) -> Iterator[_Entry]:
        """Yield what is used of each row of images that is not blank."""
        most = self._work.limits.max_entries
        for row in self._table.rows():
            if row.number > most + 1:
                raise too_many_entries(f"The table {self._table.name} has", most)
            self._work.step(f"Reading the rows of {self._table.name}", row.number)
            if row.error:
                error = RowError(row.error, row.fix, "bad_row")
                yield _Entry(row.number, "", [], None, error, row.num_lost)
            elif row.number >= self._columns.first_row and any(map(str.strip, row.cells)) and not self._is_comment(row):
                yield self._read_entry(row)

    def _is_comment(self, row: Row) -> bool:
        """Say whether a row begins with # and is no image, as lines that scripts add at the end."""
        if not row.cells[0].lstrip().startswith("#") or any(map(has_image_ending, row.cells)):
            return False
        column = self._columns.filename
        return column >= len(row.cells) or not self._finder.is_found(row.cells[column].strip())

    def _read_entry(self, row: Row) -> _Entry:
        columns, cells = self._columns, row.cells
        name = cells[columns.filename].strip() if len(cells) > columns.filename else ""
        swallowed = _count_swallowed(cells)
        error = self._check_width(cells, swallowed)
        texts = [cells[index].strip() for index in columns.targets] if error is None else []
        subset = None
        if columns.subsets is not None and error is None:
            subset, word = columns.subsets.read(cells)
            if subset is None:
                self._warn_of_subset(row.number, word)
            elif word and word.casefold() != subset:
                self._subset_words.setdefault(word.casefold(), subset)
        return _Entry(row.number, name, texts, subset, error, 1 + swallowed)

    def _check_width(self, cells: Sequence[str], swallowed: int) -> RowError | None:
        """Return what is wrong with the number of cells of a row."""
        columns = self._columns
        if swallowed:
            msg = f"A quote is never closed, so one cell contains the {count(swallowed, 'row')} after it."
            return RowError(msg, "Close the quote, or remove it.", "bad_row")
        if len(cells) <= max(columns.filename, *columns.targets):
            msg = f"The row has {count(len(cells), 'cell')}, fewer than the columns in use."
            return RowError(msg, "Complete the row.", "bad_row")
        if any(cell.strip() for cell in cells[len(columns.names) :]):
            msg = f"The row has {count(len(cells), 'cell')}; the table has {count(len(columns.names), 'column')}."
            return RowError(msg, "Put a cell that contains the delimiter into quotes.", "bad_row")
        return None

    def _read_target(self, entry: _Entry, kind: AnnotationKind) -> Target:
        if kind.table_target == "numbers":
            return tuple(self._number(text) for text in entry.texts)
        if not self._columns.is_one_hot:
            if not entry.texts[0] and isinstance(self._table, SpreadsheetTable) and self._table.has_formulas:
                raise RowError("The label is empty.", f"Write the class of the image. {_FORMULA}", "bad_label")
            if isinstance(self._table, ObjectTable) and is_list(entry.texts[0]):
                msg = f"The label is a list or an object: {shorten(entry.texts[0])}."
                raise RowError(msg, "Write one class: an image has one.", "bad_label")
            return _label(entry.texts[0])
        names = [self._columns.names[index] for index in self._columns.targets]
        try:
            return _label(read_one_hot(entry.texts, names))
        except OneHotError as error:
            raise RowError(error.message, error.fix, "one_hot_row") from error

    def _number(self, text: str) -> float:
        plain = join_thousands(text)
        has_comma = (
            (self._table.has_decimal_commas or self._has_quoted_decimals) and plain.count(",") == 1 and "." not in plain
        )
        if (has_comma or plain != text) and is_number(plain):
            number = parse_number(plain.replace(",", ".") if has_comma else plain)
            self._has_decimal_comma |= has_comma
            self._has_groups |= plain != text
            return number
        if len(self.words) < MAX_WORDS and is_word(text):
            self.words[text] = None
        if not text and isinstance(self._table, SpreadsheetTable):
            raise RowError("The value is empty.", f"Write a number. {_FORMULA}")
        return parse_number(text)

    def _check_repeated(self, entry: _Entry, image: TableImage, images: Mapping[Path, tuple[int, TableImage]]) -> None:
        """Warn of a file that an earlier row has with the same target; raises RowError for another target."""
        if image.file.path not in images:
            return
        first, before = images[image.file.path]
        message = f"The image {shorten(entry.name)!r} was in {self._name_row(first)} already"
        if before.target != image.target:
            other = _compare_targets(before.target, image.target)
            raise RowError(f"{message}, {other}. Row {first} is used.", "Keep the row that is right.", "repeated_row")
        if before.subset != image.subset:
            other = f"in {before.subset or 'no subset'} and not in {image.subset or 'none'}"
            raise RowError(f"{message}, {other}. Row {first} is used.", "Keep the row that is right.", "repeated_row")
        self.problems.warn(self._where(entry.number), f"{message}.", "Remove one of the rows.", kind="repeated_row")

    def _lose(self, entry: _Entry, error: RowError, path: Path | None) -> None:
        num_rows = entry.num_lost - (1 if path is not None else 0)
        self.problems.add(
            self._where(entry.number), error.message, error.fix, kind=error.kind, path=path, num_entries=num_rows
        )

    def _warn_of_subset(self, number: int, word: str) -> None:
        what = f"{shorten(word)!r} is not the name of a subset" if word else "The subset is empty"
        fix = "Write train, val or test. The image is imported without a subset."
        self.problems.warn(self._where(number), f"{what}.", fix, kind="unknown_subset")

    def _drop_lone_subset(self, images: list[TableImage]) -> list[TableImage]:
        """Return the images without a subset when all of them are in the same one, which divides nothing."""
        subsets = {image.subset for image in images}
        if len(subsets) != 1 or subsets == {None}:
            return images
        self._notes.append(f"Every image is in the subset {next(iter(subsets))}, so no split was created.")
        return [TableImage(image.file, image.target, None) for image in images]

    def _where(self, number: int) -> str:
        return f"{self._table.name}, {self._name_row(number)}"

    def _name_row(self, number: int) -> str:
        return self._table.name_row(number) if isinstance(self._table, SpreadsheetTable) else f"row {number}"


def warn_of_left_out(columns: Columns, table_name: str, problems: ProblemList) -> None:
    """Warn of columns that hold numbers with units, which are not read."""
    for name in columns.left_out:
        message = f"The column {shorten(name)!r} holds numbers with units, percent or thousands signs and is not used."
        problems.warn(table_name, message, "Write plain numbers, or choose the columns yourself.", kind="column")


def _demand_file(found: FoundFile | NoFileError | None) -> FoundFile:
    """Return the file of a row; raises RowError."""
    if isinstance(found, FoundFile):
        return found
    if found is None:
        raise RowError("The file name is empty.", "Write the name of the image.", "bad_file_name")
    raise RowError(found.message, found.fix, found.kind) from found


def _count_swallowed(cells: Sequence[str]) -> int:
    """Return how many lines inside the cells look like rows of their own: a quote was not closed."""
    return sum(
        any(has_image_ending(part.strip('" ')) for part in line[:2000].replace(";", ",").replace("\t", ",").split(","))
        for cell in cells
        if "\n" in cell
        for line in cell.split("\n")[1:]
    )


def _label(text: str) -> str:
    if not text:
        raise RowError("The label is empty.", "Write the class of the image.", "bad_label")
    if len(text) > 200 or not is_readable(text):
        msg = f"The label {shorten(text)!r} is not a usable class name."
        raise RowError(msg, "Use a name of up to 200 printable characters.", "bad_label")
    return text


def _compare_targets(before: Target, now: Target) -> str:
    """Return how the target of an earlier row differs from that of this row."""
    if isinstance(before, str) and isinstance(now, str):
        return f"with the class {shorten(before)!r} and not {shorten(now)!r}"
    return "with other values"
