"""Reads a table that is a text file: finds encoding, delimiter and what stands before the header. Knows no columns."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from app.datasets.decoder_errors import explain_table
from app.datasets.formats.base import SourceError
from app.datasets.formats.documents.text_encodings import UNICODE, find_encoding
from app.datasets.formats.layouts.tree import IMAGE_ENDINGS, SourceTree, begins_like_image, read_tree
from app.datasets.formats.tables.rows import Row
from app.datasets.formats.work import Work
from app.regular_files import open_regular

# In order of preference when several divide the first rows equally well: a comma can also be a decimal comma.
_DELIMITERS = {"\t": "tab", ";": "semicolon", "|": "vertical bar", ",": "comma"}
_BLANK = " "  # never tried: found by the ending of an image file and a blank behind it
_PEEKED_ROWS = 50
_MAX_PREAMBLE_LINES = 100
_MAX_CELL_CHARACTERS = 100_000
_MAX_LINE_CHARACTERS = 1 << 22
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<delimiter>[^\w\s"]|\t)"?[;,\t]*', re.IGNORECASE)
_ENDINGS = "|".join(re.escape(ending) for ending in sorted(IMAGE_ENDINGS, key=len, reverse=True))
_MAX_FILE_NAME = 300
_ALL_ENDINGS = tuple(IMAGE_ENDINGS)
_IMAGE_AND_TARGETS = re.compile(rf"(?P<name>.{{1,1000}}?(?:{_ENDINGS}))[ \t]+(?P<targets>.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """How the table is written. `comment` is the last line with a # before the rows, which may be the header."""

    encoding: str
    delimiter: str
    num_skipped: int = 0
    comment: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """The same in words."""
        name = "blank" if self.delimiter == _BLANK else _DELIMITERS.get(self.delimiter, repr(self.delimiter))
        # Nothing in the file states it, and a wrong guess makes other letters of the names.
        guess = "" if self.encoding in UNICODE else " (guessed; save the table as UTF-8 if its letters look wrong)"
        found = f"Encoding: {self.encoding}{guess}. Delimiter: {name}."
        return (f"{found} Lines before the table: {self.num_skipped}." if self.num_skipped else found,)


class TextTable:
    """A table in a text file."""

    def __init__(self, path: Path, name: str, root: Path, work: Work) -> None:
        """Find out how it is written; raises SourceError for an empty or unreadable file. `root`: the source."""
        self.path = path
        self.name = name
        self.header: tuple[str, ...] | None = None
        self._work = work
        self._dialect = find_dialect(path, root, work)
        self.notes = self._dialect.notes
        self.has_decimal_commas = self._dialect.delimiter != ","
        comment = self._dialect.comment.lstrip("# \t")
        self.comment_header = tuple(cell.strip() for cell in comment.split(self._dialect.delimiter)) if comment else ()

    def rows(self) -> Iterator[Row]:
        """Yield the rows; raises SourceError when the file cannot be read."""
        return read_rows(self.path, self._dialect, self._work)


def find_dialect(path: Path, root: Path, work: Work) -> Dialect:
    """Find out encoding and delimiter from the content; raises SourceError for an empty or unreadable file."""
    if begins_like_image(path):
        msg = f"{path.name} is an image and no table, whatever its name ends with."
        raise SourceError(msg, "Give it the ending of its kind, and save the table as CSV.")
    try:
        encoding = find_encoding(path, work)
        preamble = _read_preamble(path, encoding)
    except (OSError, UnicodeError) as error:
        msg = f"The table {path.name} cannot be read: {explain_table(error)}."
        raise SourceError(msg, "Check its permissions and the disk, and save it as UTF-8.") from error
    if preamble.delimiter:
        return preamble
    best, best_score = ",", (0.0, 0.0, 0)
    tree = read_tree(root, work)
    for delimiter in _DELIMITERS:
        widths, found = _measure_rows(path, Dialect(encoding, delimiter, preamble.num_skipped), tree, work)
        if not widths:
            msg = f"The table {path.name} is empty."
            raise SourceError(msg, "Write one row per image: its file name and its target.")
        width, count = Counter(widths).most_common(1)[0]
        score = (count / len(widths), found / len(widths), width)
        if width > 1 and score > best_score:
            best, best_score = delimiter, score
    if best_score[2] == 0 and _is_divided_by_blanks(path, preamble, work):
        best = _BLANK
    return Dialect(encoding, best, preamble.num_skipped, preamble.comment)


def _read_preamble(path: Path, encoding: str) -> Dialect:
    """Return what stands before the rows: blank lines, comments, and the line sep=; of spreadsheets.

    The delimiter is empty when no line states it.
    """
    delimiter, comment, number = "", "", 0
    with io.TextIOWrapper(open_regular(path), encoding=encoding, newline="") as file:
        for number, line in enumerate(islice(_read_lines(file), _MAX_PREAMBLE_LINES)):
            text = line.strip(" \r\n")
            separator = _SEPARATOR_LINE.fullmatch(text) if not delimiter else None
            if separator is not None:
                delimiter = separator["delimiter"]
            elif text.startswith("#") and not any(ending in text.casefold() for ending in IMAGE_ENDINGS):
                comment = text
            elif text:
                return Dialect(encoding, delimiter, number, comment)
    return Dialect(encoding, delimiter, number, comment)


def _is_divided_by_blanks(path: Path, preamble: Dialect, work: Work) -> bool:
    """Say whether each of the first rows is the name of an image file, a blank, and something else.

    A header has as many words as the row below it.
    """
    lines = islice(read_rows(path, Dialect(preamble.encoding, "\0"), work), _PEEKED_ROWS)
    rows = [row.cells[0].strip() for row in lines if row.cells]
    found = [_IMAGE_AND_TARGETS.fullmatch(row) for row in rows]
    if len(rows) > 1 and found[0] is None and found[1] is not None:
        has_header = len(rows[0].split()) == 1 + len(found[1]["targets"].split())
        found = found[1:] if has_header else found
    return bool(found) and all(found)


def _measure_rows(path: Path, dialect: Dialect, tree: SourceTree, work: Work) -> tuple[list[int], int]:
    """Return the number of cells of each of the first rows, and points for the names of image files in them.

    One cell for a table that this delimiter does not read. A label such as `a;b` in each row divides the rows as well
    as the comma does, but only one of them leaves the names of the files whole.
    """
    widths, points = [], 0
    for row in islice(read_rows(path, dialect, work), _PEEKED_ROWS):
        work.step(f"Finding the delimiter of {path.name}", row.number)  # a row may have millions of cells
        if row.error:
            return [1], 0
        if row.cells:
            widths.append(len(row.cells))
            points += max(_rate_name(cell, tree) for cell in row.cells)
    return widths, points


def _rate_name(cell: str, tree: SourceTree) -> int:
    """Return 3 for the name of an image file of the source, 2 where a delimiter is in it, 1 for the ending of one."""
    name = cell.partition("?")[0].rstrip()
    if not name.lower().endswith(_ALL_ENDINGS):
        return 0
    if re.split(r"[/\\]", name[-_MAX_FILE_NAME:])[-1].strip() not in tree.image_names:
        return 1
    return 3 if _DELIMITERS.keys().isdisjoint(name) else 2


def read_rows(path: Path, dialect: Dialect, work: Work) -> Iterator[Row]:
    """Yield the rows behind the preamble, numbered from the beginning of the file; raises SourceError.

    The last row says so when the rest of the table cannot be read.
    """
    csv.field_size_limit(_MAX_CELL_CHARACTERS)
    number = dialect.num_skipped
    try:
        with io.TextIOWrapper(open_regular(path), encoding=dialect.encoding, newline="") as file:
            lines = _read_lines(file)
            for _ in islice(lines, dialect.num_skipped):
                pass
            if dialect.delimiter in {_BLANK, "\0"}:
                yield from _divide_lines(lines, dialect)
                return
            try:
                whole = _close_up_quotes(lines, dialect.delimiter)
                for cells in csv.reader(whole, delimiter=dialect.delimiter, skipinitialspace=True):
                    number += 1
                    yield Row(number, cells)
            except csv.Error as error:
                num_lines = 1
                for _ in lines:
                    num_lines += 1
                    work.step(f"Counting the lines of {path.name} that cannot be read", num_lines)
                msg = f"The rest of the table cannot be read: {explain_table(error)}."
                yield Row(number + 1, [], msg, "Check the quotes of this row.", num_lines)
    except (OSError, UnicodeError) as error:
        msg = f"The table {path.name} cannot be read: {explain_table(error, dialect.encoding)}."
        raise SourceError(msg, "Save it as UTF-8.") from error


def _close_up_quotes(lines: Iterator[str], delimiter: str) -> Iterator[str]:
    """Yield the lines without blanks and tabs before the quote of a cell, which would become a part of the cell."""
    blanks = "[ \u00a0]" if delimiter == "\t" else "[ \\t\u00a0]"
    before_quote = re.compile(f'(^|{re.escape(delimiter)}){blanks}+(?="(?!"))')
    for line in lines:
        yield before_quote.sub(r"\1", line) if '"' in line else line


def _divide_lines(lines: Iterator[str], dialect: Dialect) -> Iterator[Row]:
    """Yield one cell per line, or the name of an image file and the words behind it; other lines by their words."""
    for number, line in enumerate(lines, start=dialect.num_skipped + 1):
        text = line.strip()
        found = _IMAGE_AND_TARGETS.fullmatch(text) if dialect.delimiter == _BLANK else None
        if found is not None:
            yield Row(number, [found["name"], *found["targets"].split()])
        else:
            yield Row(number, text.split() if dialect.delimiter == _BLANK else [text] if text else [])


def _read_lines(file: io.TextIOWrapper) -> Iterator[str]:
    """Yield the lines; raises SourceError for one without an end, which would have to be held in memory."""
    while line := file.readline(_MAX_LINE_CHARACTERS):
        if len(line) == _MAX_LINE_CHARACTERS:
            msg = f"A line of the table has {_MAX_LINE_CHARACTERS:,} characters or more."
            raise SourceError(msg, "Write one row per line.")
        yield line
