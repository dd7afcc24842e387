"""Opens a table by the ending of its file."""

from __future__ import annotations

from pathlib import Path

from app.datasets.formats.csv_reading import TextTable
from app.datasets.formats.json_lines import JsonLinesTable
from app.datasets.formats.spreadsheet import SpreadsheetTable
from app.datasets.formats.tables import Table
from app.datasets.formats.work import Work

SPREADSHEET_ENDINGS = (".xlsx", ".xlsm")
JSON_LINES_ENDINGS = (".jsonl", ".ndjson")
TEXT_ENDINGS = (".csv", ".tsv", ".txt")
TABLE_ENDINGS = (*TEXT_ENDINGS, *SPREADSHEET_ENDINGS, *JSON_LINES_ENDINGS)


def open_table(path: Path, root: Path, work: Work) -> Table:
    """Return an open table; raises SourceError when it cannot be read. `root`: what its name is relative to."""
    name = path.relative_to(root).as_posix()
    if path.suffix.lower() in SPREADSHEET_ENDINGS:
        return SpreadsheetTable(path, name, work)
    if path.suffix.lower() in JSON_LINES_ENDINGS:
        return JsonLinesTable(path, name, work)
    return TextTable(path, name, work)
