"""Says why fields of JSON objects that hold lists are no class and no value, and what to write instead."""

from __future__ import annotations

from collections.abc import Sequence

from app.annotations.base import AnnotationKind
from app.datasets.formats.base import ChoiceError, shorten
from app.datasets.formats.tables.column_names import LABEL_NAMES
from app.datasets.formats.tables.json_lines import ObjectTable
from app.datasets.formats.tables.rows import Table
from app.plurals import name_first
from app.schemas.datasets import ImportOptions

_MAX_NAMED = 10
_LABELS = frozenset({*LABEL_NAMES, "tags", "tag", "classes", "categories"})
_CHOOSE_OTHER = "Write it so, or choose another field (option target_columns)."


def explain_lists(table: Table, kind: AnnotationKind, options: ImportOptions, error: ChoiceError) -> tuple[str, str]:
    """Return the message and the fix of a table without a column, where lists stand in place of a class or value."""
    if not isinstance(table, ObjectTable):
        return error.message, error.fix
    found = _find_lists(table, kind, options, error)
    if not found:
        left_out = f" {table.left_out_note}" if table.left_out_note else ""
        return f"{error.message}{left_out}", error.fix
    names = name_first([repr(shorten(name)) for name in found], _MAX_NAMED)
    what = (
        'one class as text, such as "label": "cat"'
        if kind.table_target == "class"
        else 'its values as numbers, such as "value": 3.5'
    )
    verb = "holds" if len(found) == 1 else "hold"
    return f"Each record needs {what}; {names} {verb} lists.", _CHOOSE_OTHER


def _find_lists(table: ObjectTable, kind: AnnotationKind, options: ImportOptions, error: ChoiceError) -> Sequence[str]:
    """Return the fields with lists that stand where the class or the values are missing, those called so alone."""
    fields = [*table.left_out, *table.lists]
    chosen = [name for name in options.target_columns or [] if name in fields and error.missing == f"column {name!r}"]
    if chosen:
        return chosen
    if error.missing != ("column 'label'" if kind.table_target == "class" else "column of numbers"):
        return []
    called = [name for name in fields if name.rpartition(".")[2].casefold() in _LABELS]
    return called if called and kind.table_target == "class" else list(table.left_out)
