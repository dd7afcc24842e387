"""Makes a flat record of a JSON object with objects inside: {"label": {"name": "cat"}} has the field label.name."""

from __future__ import annotations

from typing import Any

_MAX_DEPTH = 8


def flatten(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record whose values are no objects; the name of an inner field begins with that of its object.

    Lists stay as they are. A field of the record itself wins over an inner one of the same name.
    """
    if not any(isinstance(value, dict) for value in record.values()):
        return record
    found = {key: value for key, value in record.items() if not isinstance(value, dict)}
    for key, value in record.items():
        if isinstance(value, dict):
            _add_fields(key, value, found, 1)
    return {key: found[key] for key in _order(record, found)}


def is_cell(value: object) -> bool:
    """Say whether a value fits into the cells of a table: one value, a list of one, or a list of numbers."""
    if isinstance(value, list):
        return is_numbers(value) or (len(value) < 2 and not any(isinstance(item, list | dict) for item in value))
    return not isinstance(value, dict)


def is_numbers(value: object) -> bool:
    """Say whether a value is a list of several numbers, which has a column for each of them."""
    return isinstance(value, list) and len(value) > 1 and all(type(item) in {int, float} for item in value)


def _add_fields(prefix: str, inner: dict[str, Any], found: dict[str, Any], depth: int) -> None:
    for key, value in inner.items():
        name = f"{prefix}.{key}"
        if isinstance(value, dict) and depth < _MAX_DEPTH:
            _add_fields(name, value, found, depth + 1)
        else:
            found.setdefault(name, value)


def _order(record: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Return the names of the fields in the order of the record, the inner ones where their object stands."""
    places = {key: place for place, key in enumerate(record)}

    def place_of(name: str) -> int:
        while name not in places:
            name = name.rpartition(".")[0]
        return places[name]

    return sorted(found, key=place_of)
