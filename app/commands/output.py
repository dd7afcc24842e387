"""What commands print: results to stdout, progress and errors to stderr. The only place that writes to a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from app.commands.errors import CommandError
from app.plurals import count, name_first

if TYPE_CHECKING:
    from rich.console import Console

LARGEST_IN_FULL = 1e15
"""Beyond this a float64 has no digit after the point: below it, two values far from 0 can still be told apart."""
MAX_NAMED_CLASSES = 20
PIPE_WIDTH = 200  # characters; a pipe has no width, and a table that is cut off there helps nobody


def describe_page(page: int, total_pages: int, total_items: int, noun: str) -> str:
    """Return which page of a list was printed, or that there is no such page."""
    if total_items == 0:
        return f"No {noun}s."
    if page > total_pages:
        return f"There is no page {page}: {count(total_items, noun)} on {count(total_pages, 'page')}."
    return f"Page {page} of {total_pages}, {count(total_items, noun)}."


def require_class(name: str, classes: Sequence[str]) -> None:
    """Raise CommandError for a class that does not exist, with those that do."""
    if name in classes:
        return
    if not classes:
        raise CommandError(f"The class {name!r} does not exist: these images have no classes.")
    raise CommandError(f"The class {name!r} does not exist. Classes: {name_first(classes, MAX_NAMED_CLASSES)}.")


class Output:
    """Prints for people, or one JSON document for a script."""

    def __init__(self, *, is_json: bool = False) -> None:
        self.is_json = is_json

    def document(self, value: Any) -> None:
        """Print a record, or records, as JSON when a script asked; else print nothing."""
        if self.is_json:
            sys.stdout.write(json.dumps(to_plain(value), indent=2, ensure_ascii=False) + "\n")
            sys.stdout.flush()

    def text(self, line: str) -> None:
        """Print a line for people."""
        if not self.is_json:
            self._console().print(line, markup=False, highlight=False, soft_wrap=True)

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None, empty: str = ""
    ) -> None:
        """Print a table for people, or the text `empty` when it has no rows; numbers stand to the right."""
        if self.is_json:
            return
        from rich.table import Table
        from rich.text import Text

        cells = [list(row) for row in rows]
        if empty and not cells:
            self.text(empty)
            return
        table = Table(title=title, box=None, title_justify="left", pad_edge=False, header_style="bold")
        table.show_header = any(columns)
        for index, column in enumerate(columns):
            is_number = bool(cells) and all(isinstance(row[index], int | float) for row in cells)
            table.add_column(column, justify="right" if is_number else "left", overflow="fold")
        for row in cells:
            table.add_row(*(Text(show(cell)) for cell in row))
        self._console().print(table)

    def pairs(self, values: Iterable[tuple[str, Any]], title: str | None = None) -> None:
        """Print names and values, one line each."""
        self.table(["", ""], list(values), title)

    def note(self, line: str) -> None:
        """Print a line that is no result, to stderr."""
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def _console(self) -> Console:
        from rich.console import Console

        return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)


def to_plain(value: Any) -> Any:
    """Return records as plain JSON data."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value


def show_time(iso: str) -> str:
    """Return a time of a record to the second; all of them are UTC."""
    return f"{iso[:10]} {iso[11:19]} UTC"


def show(value: Any) -> str:
    """Return a value as readable text."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if abs(value) < 1e-3 or abs(value) >= LARGEST_IN_FULL:
            return f"{value:.4g}"
        return f"{value:.2f}" if abs(value) >= 1e5 else f"{value:.4f}"
    if isinstance(value, list | tuple):
        return ", ".join(show(item) for item in value)
    return str(value)
