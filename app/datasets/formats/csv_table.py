"""A table with one row per image: file name and label, or file name and one or several values."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from app.datasets.formats.base import FoundImage, ProblemList, Scan, SourceError, shorten, sort_classes
from app.datasets.formats.csv_reading import Columns, Dialect, choose_columns, find_dialect, read_rows
from app.datasets.formats.walking import choose_document, find_documents, find_file, too_many_entries
from app.datasets.formats.work import LimitError, Work
from app.datasets.table import Annotation, Label, Value
from app.schemas.datasets import ImportOptions
from app.schemas.tasks import AnnotationKind

Cell: TypeAlias = "str | float"

ENDINGS = (".csv", ".tsv")
_IMAGE_FOLDERS = ("images", "img", "data")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_MAX_DIGITS = 400
_FEWEST_STEPS = 1000
"""Numbers that float64 has to be able to tell apart between the least and the greatest of a column."""


class RowError(ValueError):
    """A cell cannot be used; `fix` says what to write instead."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


@dataclass(frozen=True)
class CsvTable:
    """The format `csv`."""

    name: str = "csv"
    title: str = "a table filename,label or filename,value beside the images"
    rank: int = 50
    document_endings: tuple[str, ...] = ENDINGS
    annotation_kinds: frozenset[AnnotationKind] = frozenset({"label", "values"})

    def is_match(self, root: Path, options: ImportOptions, work: Work) -> bool:
        """Say whether a table lies in the folder."""
        return bool(find_documents(root, ENDINGS, work))

    def scan(self, root: Path, annotation_kind: AnnotationKind, options: ImportOptions, work: Work) -> Scan:
        """Read the table and look for the file of each row."""
        table = choose_document(root, find_documents(root, ENDINGS, work), options.annotation_file, "CSV file")
        dialect = find_dialect(table, work)
        columns = choose_columns(table, dialect, annotation_kind, options)
        reader = _RowReader(root, table, dialect, columns, work)
        targets = list(reader.read(annotation_kind))
        notes = (*dialect.notes, *columns.notes, *reader.notes)
        if annotation_kind == "values":
            _warn_of_lost_digits(columns.value_names, targets, table.relative_to(root).as_posix(), reader.problems)
            values = [
                FoundImage(path, name, (Value([float(cell) for cell in cells]),)) for path, name, cells in targets
            ]
            return Scan(values, (), reader.problems, notes, columns.value_names)
        classes = sort_classes(str(cells[0]) for _, _, cells in targets)
        labels: dict[Cell, tuple[Annotation]] = {name: (Label(i, name),) for i, name in enumerate(classes)}
        images = [FoundImage(path, name, labels[cells[0]]) for path, name, cells in targets]
        return Scan(images, tuple(classes), reader.problems, notes)


class _RowReader:
    """Turns rows into files and targets, and names what is wrong with the others by their row number."""

    def __init__(self, root: Path, table: Path, dialect: Dialect, columns: Columns, work: Work) -> None:
        self.problems = work.new_problems()
        self._work = work
        self._root = root
        self._table = table
        self._dialect = dialect
        self._columns = columns
        self._table_name = table.relative_to(root).as_posix()
        here = "" if table.parent == root else table.parent.relative_to(root).as_posix()
        self._folders = [here, *(f"{here}/{name}" if here else name for name in _IMAGE_FOLDERS)]
        self._seen: dict[Path, tuple[int, list[Cell]]] = {}
        self._has_decimal_comma = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found out while reading."""
        return ("Decimal commas were read as decimal points.",) if self._has_decimal_comma else ()

    def read(self, kind: AnnotationKind) -> Iterator[tuple[Path, str, list[Cell]]]:
        """Yield path, name and target cells of each usable row."""
        is_header = self._columns.has_header
        most = self._work.limits.max_entries
        try:
            for number, row in read_rows(self._table, self._dialect):
                if number > most + 1:
                    raise too_many_entries(f"The table {self._table_name} has", most)
                self._work.step(f"Reading the rows of {self._table_name}", number)
                if not row or is_header:
                    is_header = is_header and not row
                    continue
                try:
                    yield from self._read_row(number, row, kind)
                except LimitError:
                    raise
                except (RowError, SourceError) as error:
                    self._add(number, error.message, error.fix)
        except csv.Error as error:
            self.problems.add(self._table_name, f"The rest of the table cannot be read: {error}.", "Fix its quotes.")

    def _read_row(
        self, number: int, row: Sequence[str], kind: AnnotationKind
    ) -> Iterator[tuple[Path, str, list[Cell]]]:
        columns = self._columns
        if len(row) <= max(columns.filename, *columns.targets):
            msg = f"The row has {len(row)} cells, fewer than the columns in use."
            raise RowError(msg, "Complete the row.")
        name = row[columns.filename].strip()
        if not name:
            raise RowError("The file name is empty.", "Write the name of the image.")
        path = find_file(self._root, self._folders, name)
        if path is None:
            msg = f"The file {shorten(name)!r} does not exist."
            raise RowError(msg, "Add the image, or remove the row.")
        texts = [row[i].strip() for i in columns.targets]
        cells: list[Cell] = [self._number(text) if kind == "values" else _label(text) for text in texts]
        if not self._is_repeated(number, path, name, cells):
            yield path, name, cells

    def _is_repeated(self, number: int, path: Path, name: str, cells: list[Cell]) -> bool:
        first, before = self._seen.setdefault(path, (number, cells))
        if first == number:
            return False
        message = f"The image {shorten(name)!r} was in row {first} already"
        if before == cells:
            self.problems.warn(self._where(number), f"{message}.", "Remove one of the rows.")
        else:
            self._add(number, f"{message}, with another target.", "Keep the row that is right.")
        return True

    def _number(self, text: str) -> float:
        if self._dialect.delimiter != "," and text.count(",") == 1 and "." not in text:
            text = text.replace(",", ".")
            self._has_decimal_comma = True
        return parse_number(text)

    def _add(self, number: int, message: str, fix: str) -> None:
        self.problems.add(self._where(number), message, fix)

    def _where(self, number: int) -> str:
        return f"{self._table_name}, row {number}"


def parse_number(text: str) -> float:
    """Return a finite number written in plain decimal or scientific notation; raises RowError for anything else."""
    if not text:
        raise RowError("The value is empty.", "Write a number.")
    if text.casefold().lstrip("+-") in {"nan", "inf", "infinity"}:
        msg = f"The value {text!r} is not a finite number."
        raise RowError(msg, "Write a number, or remove the row.")
    if len(text) > _MAX_DIGITS:
        msg = f"The value {shorten(text, 20)!r} has {len(text):,} characters."
        raise RowError(msg, "Write the number with fewer digits.")
    if _NUMBER.fullmatch(text) is None:
        msg = f"The value {shorten(text)!r} is not a number."
        raise RowError(msg, "Write it like 12.5, without units or thousands separators.")
    value = float(text)
    if value in {float("inf"), float("-inf")}:
        msg = f"The value {shorten(text)!r} is too large."
        raise RowError(msg, "Write a number below 1.8e308.")
    return value


def _warn_of_lost_digits(
    names: Sequence[str], targets: Sequence[tuple[Path, str, list[Cell]]], table_name: str, problems: ProblemList
) -> None:
    """Warn of a column in which every number is the same, or of whose differences float64 keeps no three digits."""
    for index, name in enumerate(names if len(targets) > 1 else ()):
        column = [float(cells[index]) for _, _, cells in targets]
        low, high = min(column), max(column)
        if low == high:
            message = f"Every image has the same number in {shorten(name)!r}: there is nothing to learn."
            problems.warn(table_name, message, "Use a column whose numbers differ.")
        elif high - low < _FEWEST_STEPS * math.ulp(max(abs(low), abs(high))):
            message = (
                f"The numbers in {shorten(name)!r} reach from {low!r} to {high!r}. A number has about 16 digits, so "
                f"little is left of their differences, and they cannot be learned."
            )
            problems.warn(table_name, message, "Subtract the same number from each of them before the import.")


def _label(text: str) -> str:
    if not text:
        raise RowError("The label is empty.", "Write the class of the image.")
    if len(text) > 200 or not text.isprintable():
        msg = f"The label {shorten(text)!r} is not a usable class name."
        raise RowError(msg, "Use a name of up to 200 printable characters.")
    return text


FORMAT = CsvTable()
