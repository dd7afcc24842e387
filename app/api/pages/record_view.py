"""Any answer as plain HTML: its values as facts, its lists as tables. For paths that no page draws in its own way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from app.api.pages.forms import title_of
from app.api.templating import Fragment

MAX_ROWS = 200
MAX_TEXT = 2000


@dataclass(frozen=True)
class RecordTable:
    """A list of records. `more` counts the rows that are not shown."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    more: str


@dataclass(frozen=True)
class RecordContext:
    """Names for `_record.html`."""

    facts: list[tuple[str, str]]
    tables: list[RecordTable]


def record_fragment(data: BaseModel) -> Fragment:
    """Return the values of an answer, in the order of its JSON."""
    values = data.model_dump(mode="json")
    facts = [(name, _in_words(value)) for name, value in _flatten(values) if not _is_table(value)]
    tables = [_table(name, value) for name, value in _flatten(values) if _is_table(value)]
    return Fragment("_record.html", RecordContext(facts, tables))


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        title = f"{prefix}, {title_of(str(name)).lower()}" if prefix else title_of(str(name))
        if isinstance(value, dict) and value:
            yield from _flatten(value, title)
        else:
            yield title, value


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _table(title: str, items: list[dict[str, Any]]) -> RecordTable:
    shown = [dict(_flatten(item)) for item in items[:MAX_ROWS]]
    columns = list(dict.fromkeys(name for row in shown for name in row))
    more = len(items) - len(shown)
    rows = [[_in_words(row.get(column)) for column in columns] for row in shown]
    return RecordTable(title, columns, rows, f"And {more:,} more." if more else "")


def _in_words(value: Any) -> str:
    if value is None or value == [] or value == {}:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return _shorten(", ".join(_in_words(item) for item in value))
    if isinstance(value, dict):
        return _shorten(", ".join(f"{name} {_in_words(item)}" for name, item in value.items()))
    return _shorten(f"{value:.6g}" if isinstance(value, float) else str(value))


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
