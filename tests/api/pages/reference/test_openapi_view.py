"""How an OpenAPI document becomes text for people."""

from __future__ import annotations

from typing import Any

import pytest

from app.api.pages.reference.openapi_view import list_schemas


def field_of(schema: dict[str, Any]) -> tuple[str, str | None, str]:
    document = {"components": {"schemas": {"A": {"properties": {"x": schema}}, "Ok_A_": {}, "Body_b": {}}}}
    (only,) = list_schemas(document)
    (field,) = only.fields
    return field.type, field.schema_name, field.rules


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, ("string", None, "")),
        ({"$ref": "#/components/schemas/B"}, ("B", "B", "")),
        ({"type": "array", "items": {"$ref": "#/x/B"}}, ("list of B", "B", "")),
        ({"anyOf": [{"type": "integer", "minimum": 1.0}, {"type": "null"}]}, ("integer or null", None, "at least 1")),
        ({"enum": ["a", "b"], "default": "a"}, ("a | b", None, "default a")),
        ({"const": True, "default": True}, ("true", None, "default true")),
        ({"type": "object", "additionalProperties": {"type": "number"}}, ("object of number", None, "")),
        ({"type": "object", "additionalProperties": True}, ("object", None, "")),
        ({"type": "string", "format": "binary"}, ("file", None, "")),
        ({"type": "number", "minimum": 0.5, "maximum": 2}, ("number", None, "at least 0.5; at most 2")),
        ({}, ("any", None, "")),
    ],
)
def test_field(schema: dict[str, Any], expected: tuple[str, str | None, str]) -> None:
    assert field_of(schema) == expected
