"""Reads an OpenAPI document into what a page shows of it. Knows no route of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Node = Mapping[str, Any]
_RULES = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "length at least {}",
    "maxLength": "length at most {}",
    "minItems": "at least {} in number",
    "maxItems": "at most {} in number",
    "pattern": "matches {}",
}


@dataclass(frozen=True)
class Field:
    """A parameter, or a field of a schema; `place` is path, query or header for a parameter."""

    name: str
    type: str
    schema_name: str | None
    is_required: bool
    description: str
    rules: str
    place: str = ""


@dataclass(frozen=True)
class Body:
    """What a request carries."""

    media_type: str
    schema_name: str | None
    is_required: bool
    fields: list[Field]


@dataclass(frozen=True)
class SuccessResponse:
    """One way in which an operation ends well."""

    status: str
    media_type: str
    schema_name: str | None
    description: str


@dataclass(frozen=True)
class Operation:
    """A method of a path."""

    id: str
    method: str
    path: str
    summary: str
    paragraphs: list[str]
    parameters: list[Field]
    body: Body | None
    answers: list[SuccessResponse]


@dataclass(frozen=True)
class Group:
    """The operations of one tag; `id` is apart from those of operations."""

    id: str
    name: str
    operations: list[Operation]


@dataclass(frozen=True)
class Schema:
    """A named object."""

    name: str
    description: str
    fields: list[Field]


def list_groups(document: Node) -> list[Group]:
    """Return the operations by tag, both in the order of the document."""
    groups: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append(_read_operation(document, path, method, operation))
    return [
        Group(f"group-{re.sub(r'[^a-z]+', '-', name.lower())}", name, operations) for name, operations in groups.items()
    ]


def list_schemas(document: Node) -> list[Schema]:
    """Return the schemas by name, without the envelopes and forms that are shown where they are used."""
    schemas = document["components"]["schemas"]
    shown = {name: schema for name, schema in schemas.items() if not name.startswith(("Ok_", "Body_"))}
    return [
        Schema(name, str(schema.get("description", "")), _read_fields(schema)) for name, schema in sorted(shown.items())
    ]


def _read_operation(document: Node, path: str, method: str, operation: Node) -> Operation:
    text = str(operation.get("description", "")).replace("`", "")
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        paragraphs=[paragraph for paragraph in text.split("\n\n") if paragraph],
        parameters=[_read_parameter(parameter) for parameter in operation.get("parameters", [])],
        body=_read_body(document, operation["requestBody"]) if "requestBody" in operation else None,
        answers=list(_read_answers(document, operation["responses"])),
    )


def _read_parameter(parameter: Node) -> Field:
    name, place = str(parameter["name"]), str(parameter["in"])
    schema = {"description": parameter.get("description", ""), **parameter["schema"]}
    return _read_field(name, schema, bool(parameter.get("required", False)), place)


def _read_body(document: Node, body: Node) -> Body:
    media_type, content = next(iter(body["content"].items()))
    name = _reference_in(content["schema"])
    schema = _resolve(document, content["schema"])
    shown_name = None if name is None or name.startswith("Body_") else name
    return Body(media_type, shown_name, bool(body.get("required", False)), _read_fields(schema))


def _read_answers(document: Node, responses: Node) -> Iterator[SuccessResponse]:
    for status, response in responses.items():
        if not status.startswith("2"):
            continue
        description = str(response.get("description", "")).removeprefix("Successful Response")
        for media_type, content in response.get("content", {}).items():
            schema = _resolve(document, content.get("schema", {}))
            data = schema.get("properties", {}).get("data", {})
            yield SuccessResponse(status, media_type, _reference_in(data), description)


def _read_fields(schema: Node) -> list[Field]:
    required = schema.get("required", [])
    return [_read_field(name, field, name in required) for name, field in schema.get("properties", {}).items()]


def _read_field(name: str, schema: Node, is_required: bool, place: str = "") -> Field:
    description = str(schema.get("description", ""))
    return Field(name, _type_text(schema), _reference_in(schema), is_required, description, _rules_text(schema), place)


def _resolve(document: Node, schema: Node) -> Node:
    name = _reference_in(schema)
    resolved: Node = document["components"]["schemas"][name] if name else schema
    return resolved


def _reference_in(schema: Node) -> str | None:
    """Return the name of the first schema that this one refers to."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    inner = [*schema.get("anyOf", []), *schema.get("allOf", []), *schema.get("oneOf", [])]
    inner += [schema[key] for key in ("items", "additionalProperties") if isinstance(schema.get(key), dict)]
    return next((name for name in map(_reference_in, inner) if name), None)


def _type_text(schema: Node) -> str:
    if "$ref" in schema:
        return str(_reference_in(schema))
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if choices:
        return " or ".join(_type_text(choice) for choice in choices)
    if "const" in schema or "enum" in schema:
        return " | ".join(_value_text(value) for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type_text(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type_text(schema['additionalProperties'])}"
    if schema.get("format") == "binary" or schema.get("contentMediaType"):
        return "file"
    return str(schema.get("type", "any"))


def _value_text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value)


def _rules_text(schema: Node) -> str:
    rules = [text.format(_value_text(schema[key])) for key, text in _RULES.items() if key in schema]
    for choice in schema.get("anyOf", []):
        rules += [text.format(_value_text(choice[key])) for key, text in _RULES.items() if key in choice]
    default = schema.get("default")
    if default not in (None, ""):
        rules.append(f"default {_value_text(default)}")
    return "; ".join(rules)
