"""How a JSON Schema becomes fields of a form."""

from __future__ import annotations

from typing import Any

import pytest

from app.api.pages.forms import FormField, fields_from_schema, title_of
from app.tasks.registry import list_specs


def field_of(node: dict[str, Any], **values: Any) -> FormField:
    (field,) = fields_from_schema({"properties": {"x": node}, "$defs": {"E": {"enum": ["p", "q"]}}}, values)
    return field


@pytest.mark.parametrize(
    ("node", "kind", "data_type", "text"),
    [
        ({"type": "integer", "default": 3}, "integer", "", "3"),
        ({"type": "number", "default": 0.5}, "number", "", "0.5"),
        ({"type": "boolean", "default": True}, "checkbox", "", "on"),
        ({"type": "string", "default": "a"}, "text", "", "a"),
        ({"enum": ["a", "b"], "default": "b"}, "select", "", "b"),
        ({"enum": [1, 2], "default": 2}, "select", "number", "2"),
        ({"$ref": "#/$defs/E", "default": "q"}, "select", "", "q"),
        ({"type": "array", "items": {"type": "integer"}, "default": [1, 2]}, "list", "list:number", "1, 2"),
        ({"type": "array", "items": {"type": "string"}, "default": ["a"]}, "list", "list", "a"),
        ({"anyOf": [{"type": "number"}, {"type": "null"}], "default": None}, "number", "", ""),
        ({"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}, "text", "null-if-empty", ""),
        ({"type": "object", "default": {"a": 1}}, "json", "json", '{"a": 1}'),
    ],
)
def test_kind(node: dict[str, Any], kind: str, data_type: str, text: str) -> None:
    field = field_of(node)
    assert (field.kind, field.data_type, field.text, field.is_changed) == (kind, data_type, text, False)


def test_value_that_is_set_is_a_change() -> None:
    field = field_of({"type": "integer", "default": 3, "minimum": 1, "maximum": 9, "description": "How many."}, x=4)
    assert (field.value, field.is_changed, field.default_json) == (4, True, "3")
    assert (field.minimum, field.maximum, field.step, field.help) == (1, 9, 1, "How many.")


def test_every_hyperparameter_of_every_task_is_a_field() -> None:
    specs = list_specs()
    assert len(specs) >= 2
    for spec in specs.values():
        schema = spec.hyperparameters.model_json_schema()
        fields = fields_from_schema(schema, {}, "hyperparameters")
        assert [field.name for field in fields] == [f"hyperparameters.{name}" for name in schema["properties"]]
        assert len(fields) > 20
        assert all(field.label and field.help and field.kind != "json" for field in fields)
        assert not any(field.is_changed for field in fields)


def test_title() -> None:
    assert title_of("early_stopping_metric") == "Early stopping metric"
    assert title_of("ema") == "EMA"
