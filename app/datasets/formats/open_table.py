"""Opens a table by the ending of its file."""

from __future__ import annotations

from pathlib import Path

from app.datasets.formats.csv_reading import TextTable
from app.datasets.formats.json_lines import JsonLinesTable
from app.datasets.formats.json_records import JsonRecordsTable
from app.datasets.formats.spreadsheet import SpreadsheetTable
from app.datasets.formats.tables import Table
from app.datasets.formats.work import Work
from app.regular_files import open_regular

SPREADSHEET_ENDINGS = (".xlsx", ".xlsm")
JSON_LINES_ENDINGS = (".jsonl", ".ndjson")
LOOSE_ENDINGS = (".txt", ".json")
"""Endings of tables that most files of this name are none of."""
TABLE_ENDINGS = (".csv", ".tsv", *SPREADSHEET_ENDINGS, *JSON_LINES_ENDINGS)


_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # the second: .xls, which is refused by name


def _begins_like_workbook(path: Path) -> bool:
    """Say whether a file is a workbook whatever its ending: people rename them."""
    try:
        with open_regular(path) as file:
            return file.read(4) in _WORKBOOKS
    except OSError:
        return False


def open_table(path: Path, root: Path, work: Work) -> Table:
    """Return an open table; raises SourceError when it cannot be read. `root`: what its name is relative to."""
    name = path.relative_to(root).as_posix()
    if path.suffix.lower() in SPREADSHEET_ENDINGS or _begins_like_workbook(path):
        return SpreadsheetTable(path, name, work)
    if path.suffix.lower() in JSON_LINES_ENDINGS:
        return JsonLinesTable(path, name, work)
    if path.suffix.lower() == ".json":
        return JsonRecordsTable(path, name, work)
    return TextTable(path, name, root, work)
