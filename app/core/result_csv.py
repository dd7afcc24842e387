"""The results of an evaluation as a table for spreadsheets: a line per image, a column per number. Reads no files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from app.datasets.formats.report.problem_file import neutralize

_FIRST = ("filename", "source_name", "subset")
_LINES_PER_PIECE = 1000
Row = Mapping[str, Any]


def write_results(rows: Sequence[Row], name_of: Callable[[str], str], value_names: Sequence[str]) -> Iterator[str]:
    """Yield a CSV of results in pieces, its header first.

    Objects become columns like `prediction.class_name`, values get the names of the dataset's columns. Text that a
    spreadsheet would compute is neutralised.
    """
    columns = dict.fromkeys(_FIRST)
    for row in rows:
        columns.update(dict.fromkeys(_flatten(row, value_names)))
    yield _write([[neutralize(name) for name in columns]])
    for start in range(0, len(rows), _LINES_PER_PIECE):
        lines = []
        for row in rows[start : start + _LINES_PER_PIECE]:
            name = row.get("source_name") or name_of(str(row["filename"]))
            cells = {**_flatten(row, value_names), "source_name": name}
            lines.append([_show(cells.get(name)) for name in columns])
        yield _write(lines)


def _flatten(row: Row, value_names: Sequence[str], prefix: str = "") -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for key, value in row.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            cells |= _flatten(value, value_names, f"{name}.")
        elif isinstance(value, list) and all(isinstance(item, int | float) for item in value):
            names = value_names if len(value_names) == len(value) else [str(n + 1) for n in range(len(value))]
            columns = [f"{name}.{part}" for part in names] if len(value) > 1 else [name]
            cells |= dict(zip(columns, value, strict=False))
        else:
            cells[name] = value
    return cells


def _show(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return neutralize(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _write(lines: Sequence[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(lines)
    return text.getvalue()
