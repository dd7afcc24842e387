"""Finds out how a table is written: encoding, delimiter, header, and which columns mean what. No images, no labels."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from app.datasets.formats.base import SourceError, shorten
from app.datasets.formats.work import LimitError, Work
from app.regular_files import open_regular
from app.schemas.datasets import ImportOptions
from app.schemas.tasks import AnnotationKind

FILENAME_NAMES = (
    *("filename", "file_name", "file name", "file", "image", "image_name", "image name", "image_file", "img"),
    *("image_path", "filepath", "file_path", "path", "name", "image_id", "id"),
)
LABEL_NAMES = ("label", "labels", "class", "class_name", "classname", "category", "target", "y")
VALUE_NAMES = ("value", "target", "y", "label", "score")
_IMAGE_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
# In order of preference when several divide the first rows equally well: a comma can also be a decimal comma.
_DELIMITERS = {"\t": "tab", ";": "semicolon", "|": "vertical bar", ",": "comma"}
_PEEKED_ROWS = 50
_MAX_CELL_CHARACTERS = 100_000
_MAX_LINE_CHARACTERS = 1 << 22
_MAX_TARGETS = 1000
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Dialect:
    """How the table is written."""

    encoding: str
    delimiter: str

    @property
    def notes(self) -> tuple[str, ...]:
        """The same in words."""
        return (f"Encoding: {self.encoding}. Delimiter: {_DELIMITERS[self.delimiter]}.",)


@dataclass(frozen=True)
class Columns:
    """Which columns are used, counted from 0, and whether the first row is a header."""

    filename: int
    targets: tuple[int, ...]
    names: tuple[str, ...]
    has_header: bool

    @property
    def value_names(self) -> tuple[str, ...]:
        """Names of the target columns."""
        if self.has_header:
            return tuple(self.names[i] for i in self.targets)
        return ("value",) if len(self.targets) == 1 else tuple(f"value_{i}" for i in range(len(self.targets)))

    @property
    def notes(self) -> tuple[str, ...]:
        """The choice in words."""
        if not self.has_header:
            return ("There is no header; the first column is the file name, the others are the target.",)
        targets = shorten(", ".join(shorten(self.names[i]) for i in self.targets[:20]), 400)
        return (f"File name: column {shorten(self.names[self.filename])!r}. Target: {targets}.",)


def find_dialect(path: Path, work: Work) -> Dialect:
    """Find out encoding and delimiter from the content; raises SourceError for an empty or unreadable file."""
    try:
        encoding = _find_encoding(path, work)
    except OSError as error:
        msg = f"The CSV file cannot be read: {error.strerror}."
        raise SourceError(msg, "Check its permissions and the disk.") from error
    best, best_score = ",", (0.0, 0)
    for delimiter in _DELIMITERS:
        widths = _row_widths(path, Dialect(encoding, delimiter), work)
        if not widths:
            raise SourceError("The CSV file is empty.", "Write one row per image: its file name and its target.")
        width, count = Counter(widths).most_common(1)[0]
        score = (count / len(widths), width)
        if width > 1 and score > best_score:
            best, best_score = delimiter, score
    return Dialect(encoding, best)


def _row_widths(path: Path, dialect: Dialect, work: Work) -> list[int]:
    """Return the number of cells of each of the first rows; one cell for a table that this delimiter does not read."""
    widths = []
    try:
        for number, row in islice(read_rows(path, dialect), _PEEKED_ROWS):
            work.step(f"Finding the delimiter of {path.name}", number)  # a row may have millions of cells
            if row:
                widths.append(len(row))
    except csv.Error:
        return [1]
    return widths


def read_rows(path: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each row, from 1, and its cells; raises csv.Error and SourceError."""
    csv.field_size_limit(_MAX_CELL_CHARACTERS)
    try:
        with io.TextIOWrapper(open_regular(path), encoding=dialect.encoding, newline="") as file:
            yield from enumerate(csv.reader(_read_lines(file), delimiter=dialect.delimiter), start=1)
    except (OSError, UnicodeError) as error:
        msg = f"The CSV file cannot be read: {error}."
        raise SourceError(msg, "Save it as UTF-8.") from error


def _read_lines(file: io.TextIOWrapper) -> Iterator[str]:
    """Yield the lines; raises SourceError for one without an end, which would have to be held in memory."""
    while line := file.readline(_MAX_LINE_CHARACTERS):
        if len(line) == _MAX_LINE_CHARACTERS:
            msg = f"A line of the CSV file has {_MAX_LINE_CHARACTERS:,} characters or more."
            raise SourceError(msg, "Write one row per line.")
        yield line


def choose_columns(path: Path, dialect: Dialect, kind: AnnotationKind, options: ImportOptions) -> Columns:
    """Find the columns by the options, by their names, or by their places when there is no header.

    Raises SourceError that lists the columns which are there.
    """
    first = _first_row(path, dialect)
    if not _is_header(first, options):
        if len(first) < 2:
            raise _missing("target", first)
        return Columns(0, tuple(range(1, len(first))) if kind == "values" else (1,), tuple(first), has_header=False)
    names = [cell.strip() for cell in first]
    places = _index_names(names)
    filename = _find(places, [options.filename_column] if options.filename_column else FILENAME_NAMES)
    if filename is None:
        raise _missing(options.filename_column or "filename", names)
    targets = _find_targets(names, places, filename, kind, options)
    if len(targets) > _MAX_TARGETS:
        msg = f"The table has {len(targets):,} columns of values; {_MAX_TARGETS:,} is the most."
        raise SourceError(msg, "Name those to use with the option target_columns.")
    return Columns(filename, tuple(targets), tuple(names), has_header=True)


def _find_targets(
    names: Sequence[str],
    places: Mapping[str, Sequence[int]],
    filename: int,
    kind: AnnotationKind,
    options: ImportOptions,
) -> list[int]:
    if options.target_columns:
        found = [_find(places, [name]) for name in options.target_columns]
        if None in found:
            raise _missing(options.target_columns[found.index(None)], names)
        return [index for index in found if index is not None]
    others = [index for index in range(len(names)) if index != filename]
    if kind == "values":
        numbered = [index for index in others if _is_numbered_value(names[index])]
        if numbered:
            return sorted(numbered, key=lambda index: int(names[index].rpartition("_")[2]))
    named = _find(places, VALUE_NAMES if kind == "values" else LABEL_NAMES, skipped=filename)
    if named is not None:
        return [named]
    if len(others) == 1:
        return others
    raise _missing("value" if kind == "values" else "label", names)


def _first_row(path: Path, dialect: Dialect) -> list[str]:
    try:
        return next(row for _, row in read_rows(path, dialect) if row)
    except csv.Error as error:
        msg = f"The CSV file cannot be read: {error}."
        raise SourceError(msg, "Fix the quotes of its first row.") from error


def _is_header(row: Sequence[str], options: ImportOptions) -> bool:
    """A row in which a cell is the name of an image file is data; every other first row names the columns."""
    if options.filename_column or options.target_columns:
        return True
    return not any(PurePosixPath(cell.strip().replace("\\", "/")).suffix.lower() in _IMAGE_ENDINGS for cell in row)


def _is_numbered_value(name: str) -> bool:
    head, _, digits = name.casefold().rpartition("_")
    return head == "value" and digits.isascii() and digits.isdigit() and len(digits) < 6


def _index_names(names: Sequence[str]) -> dict[str, list[int]]:
    """Return the places of each name, whatever its case."""
    places: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        places.setdefault(name.casefold(), []).append(index)
    return places


def _find(places: Mapping[str, Sequence[int]], wanted: Sequence[str], skipped: int = -1) -> int | None:
    """Return the first place of the first name that is there, but for a place that is taken."""
    for name in wanted:
        for index in places.get(name.strip().casefold(), ()):
            if index != skipped:
                return index
    return None


def _missing(column: str, names: Sequence[str]) -> SourceError:
    there = ", ".join(shorten(name) for name in names[:20])
    msg = f"The CSV file has no column {column!r}. Its columns are: {there}."
    return SourceError(msg, "Name the columns with the options filename_column and target_columns.")


def _find_encoding(path: Path, work: Work) -> str:
    """Return utf-8-sig, utf-16, utf-8, or cp1252 and latin-1 for what is none of these."""
    most_bytes = work.limits.max_annotation_bytes
    with open_regular(path) as file:
        start = file.read(4)
    if path.stat().st_size > most_bytes:
        msg = f"{path.name} has more than {most_bytes / 2**20:,.0f} MiB."
        raise LimitError(msg, "Divide it into several datasets, or raise AI_STUDIO_MAX_ANNOTATION_BYTES.")
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(start) >= 4 and start[1] == 0 and start[3] == 0 and start[0] != 0:
        return "utf-16-le"
    return next(name for name in ("utf-8", "cp1252", "latin-1") if _is_encoded_as(path, name, work))


def _is_encoded_as(path: Path, encoding: str, work: Work) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with open_regular(path) as file:
            while block := file.read(_BLOCK_BYTES):
                decoder.decode(block)
                work.step(f"Finding the encoding of {path.name}", file.tell())
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
