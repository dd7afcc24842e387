"""Says why a column of a table is not used, where more can be said than that another was chosen."""

from __future__ import annotations

from collections.abc import Sequence

from app.datasets.formats.base import shorten
from app.datasets.formats.tables.column_view import View
from app.datasets.formats.tables.json_lines import ObjectTable
from app.datasets.formats.tables.rows import Table
from app.datasets.formats.tables.spreadsheet import SpreadsheetTable

# What Label Studio writes beside the labels; two of them tell its tables from others.
_BOOKKEEPING = frozenset({"annotator", "annotation_id", "created_at", "updated_at", "lead_time"})
_MAX_NAMED = 20


def is_bookkeeping(view: View, index: int) -> bool:
    """Say whether a column is what Label Studio notes of the work, such as the seconds that a label took."""
    names = {name.casefold() for name in view.raw_names}
    return view.raw_names[index].casefold() in _BOOKKEEPING and len(names & _BOOKKEEPING) > 1


def list_unused(view: View) -> list[int]:
    """Return the columns with a name or with cells that have no use, in their order."""
    return [
        index
        for index in range(len(view.names))
        if index not in view.taken and (view.raw_names[index] or any(view.cells[index]))
    ]


def describe_unused(view: View, table: Table, columns: Sequence[int]) -> str:
    """Return the names of columns that are not used, each with the reason where there is one."""
    named: dict[str, None] = {}
    fields = {} if not isinstance(table, ObjectTable) else table.lists
    whole = {index: name for name, places in fields.items() if set(places) <= set(columns) for index in places}
    for index in columns:
        if index in whole:  # the columns of a list that is not used are one field of the file
            named[f"{shorten(whole[index])!r} (a list)"] = None
        else:
            named[f"{shorten(view.names[index])!r}{_explain(view, table, index)}"] = None
    return shorten(", ".join(list(named)[:_MAX_NAMED]), 400)


def _explain(view: View, table: Table, index: int) -> str:
    if not any(view.cells[index]):
        if isinstance(table, SpreadsheetTable) and table.has_formulas:
            return " (empty, or formulas without stored results: open and save the file in a spreadsheet program)"
        return " (empty in the first rows)" if view.has_more_rows else " (empty)"
    if is_bookkeeping(view, index):
        return " (written by Label Studio)"
    return " (counts the rows)" if view.is_index(index) else ""
