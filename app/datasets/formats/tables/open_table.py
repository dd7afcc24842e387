"""Opens a table by the ending of its file."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import BinaryIO

from app.datasets.formats.base import clean_text
from app.datasets.formats.tables.csv_reading import TextTable
from app.datasets.formats.tables.json_lines import JsonLinesTable
from app.datasets.formats.tables.json_records import JsonRecordsTable
from app.datasets.formats.tables.rows import Table
from app.datasets.formats.tables.spreadsheet import SpreadsheetTable
from app.datasets.formats.work import Work
from app.regular_files import open_regular

SPREADSHEET_ENDINGS = (".xlsx", ".xlsm")
JSON_LINES_ENDINGS = (".jsonl", ".ndjson")
LOOSE_ENDINGS = (".txt", ".json")
"""Endings of tables that most files of this name are none of."""
TABLE_ENDINGS = (".csv", ".tsv", *SPREADSHEET_ENDINGS, *JSON_LINES_ENDINGS)


_PEEKED_BYTES = 4096
_MAX_PARTS = 100
_NO_TEXT = frozenset(range(9)) | {11, *range(14, 32)}  # control characters that no table has
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # the second: .xls, which is refused by name


def _begins_like_workbook(path: Path) -> bool:
    """Say whether a file is a workbook whatever its ending: people rename them."""
    try:
        with open_regular(path) as file:
            return file.read(4) in _WORKBOOKS
    except OSError:
        return False


def is_workbook(file: BinaryIO) -> bool:
    """Say whether an open file is a workbook and no other zip; the file is at its beginning afterwards."""
    try:
        with zipfile.ZipFile(file) as archive:
            return any(entry.filename.startswith("xl/") for entry in archive.infolist()[:_MAX_PARTS])
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
    finally:
        file.seek(0)


def _is_text(path: Path) -> bool:
    """Say whether a file that is named like a workbook holds text: some programs export CSV under this name."""
    try:
        with open_regular(path) as file:
            start = file.read(_PEEKED_BYTES)
    except OSError:
        return False
    is_wide = start.startswith((b"\xff\xfe", b"\xfe\xff"))
    return is_wide or (bool(start.strip()) and not set(start) & _NO_TEXT)


def open_table(path: Path, root: Path, work: Work) -> Table:
    """Return an open table; raises SourceError when it cannot be read. `root`: what its name is relative to.

    A reading opens a table once, unless the file changes or others were opened meanwhile.
    """
    try:
        state = path.stat()
    except OSError:  # which is said by whoever opens it
        return _open(path, root, work)
    key = (path, root, state.st_ino, state.st_size, state.st_mtime_ns)
    table = work.tables.find(key)
    if table is None:
        table = _open(path, root, work)
        work.tables.keep(key, table, state.st_size)
    return table


def _open(path: Path, root: Path, work: Work) -> Table:
    name = path.relative_to(root).as_posix()
    is_named_workbook = path.suffix.lower() in SPREADSHEET_ENDINGS
    if is_named_workbook and _is_text(path):
        text = TextTable(path, name, root, work)
        text.notes = (f"{clean_text(name)} is text and no workbook, and was read as text.", *text.notes)
        return text
    if is_named_workbook or _begins_like_workbook(path):
        book = SpreadsheetTable(path, name, work)
        if not is_named_workbook:
            book.notes = (f"{clean_text(name)} is a workbook, and was read as one.", *book.notes)
        return book
    if path.suffix.lower() in JSON_LINES_ENDINGS:
        return JsonLinesTable(path, name, work)
    if path.suffix.lower() == ".json":
        return JsonRecordsTable(path, name, work)
    return TextTable(path, name, root, work)
