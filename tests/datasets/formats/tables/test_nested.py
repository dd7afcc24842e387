"""Objects inside of objects as flat records."""

from __future__ import annotations

from typing import Any

import pytest

from app.datasets.formats.tables.nested import flatten, is_cell


@pytest.mark.parametrize(
    ("record", "flat"),
    [
        ({"a": 1, "b": [1]}, {"a": 1, "b": [1]}),
        ({"label": {"name": "cat", "id": 0}, "x": 1}, {"label.name": "cat", "label.id": 0, "x": 1}),
        ({"a": {"b": {"c": None}}, "d": {}}, {"a.b.c": None}),
        ({"a": {"b": 1}, "a.b": 2}, {"a.b": 2}),
        ({"a": {"b": [1, 2], "c": [{"d": 1}]}}, {"a.b": [1, 2], "a.c": [{"d": 1}]}),
    ],
)
def test_flatten(record: dict[str, Any], flat: dict[str, Any]) -> None:
    found = flatten(record)
    assert found == flat
    assert list(found) == list(flat)


def test_very_deep_objects_stay_as_they_are() -> None:
    record: dict[str, Any] = {"a": 1}
    for _ in range(500):
        record = {"a": record}
    (value,) = flatten(record).values()
    assert not is_cell(value)


@pytest.mark.parametrize(
    ("value", "fits"),
    [(1, True), ([], True), (["a"], True), ([1, 2.5], True), (["a", "b"], False), ([{}], False), ({}, False)],
)
def test_what_fits_into_cells(value: object, fits: bool) -> None:
    assert is_cell(value) is fits
