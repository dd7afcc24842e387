"""Typed descriptions of form fields, and how they come from a JSON Schema. Draws nothing, checks nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

FieldKind = Literal["number", "integer", "text", "select", "checkbox", "range", "list", "json"]
Node = Mapping[str, Any]
_ACRONYMS = {"ema": "EMA", "lr": "LR", "id": "ID", "mae": "MAE", "rmse": "RMSE", "warmup": "warm-up"}


@dataclass(frozen=True)
class Option:
    """One choice; `reason` says why it cannot be chosen now."""

    value: str
    title: str
    reason: str = ""


@dataclass(frozen=True)
class FormField:
    """One field of a generated form. `name` is where the value goes, dotted; `data_type` how a page reads it.

    `is_numeric` says of a list that it holds numbers, where neither value nor default shows it.
    """

    name: str
    label: str
    kind: FieldKind
    value: Any
    default: Any
    help: str = ""
    minimum: float | None = None
    maximum: float | None = None
    step: float | str | None = None
    max_length: int | None = None
    options: tuple[Option, ...] = ()
    unit: str = ""
    group: str = ""
    is_optional: bool = False
    is_numeric: bool = False
    reason: str = ""

    @property
    def is_changed(self) -> bool:
        """Whether the value is another than the default."""
        return bool(self.value != self.default)

    @property
    def default_json(self) -> str:
        """The default as scripts compare and restore it."""
        return json.dumps(self.default)

    @property
    def default_text(self) -> str:
        """The default as a person reads it."""
        text = "none" if self.default is None else self._text_of(self.default)
        return next((option.title for option in self.options if text and option.value == text), text)

    @property
    def text(self) -> str:
        """The value as it stands in the field."""
        return self._text_of(self.value)

    @property
    def data_type(self) -> str:
        """What `data-type` says of the value, empty where the input says it by itself."""
        if self.kind == "json":
            return "json"
        if self.kind == "list":
            is_numeric = all(isinstance(item, int | float) for item in [*(self.default or []), *(self.value or [])])
            return "list:number" if self.is_numeric or (is_numeric and (self.default or self.value)) else "list"
        if self.kind == "select" and any(isinstance(value, int | float) for value in (self.default, self.value)):
            return "number"
        return "null-if-empty" if self.is_optional and self.kind in {"text", "select"} else ""

    def _text_of(self, value: Any) -> str:
        if value is None:
            return ""
        if self.kind == "json":
            return json.dumps(value)
        if isinstance(value, bool):
            return "on" if value else "off"
        if isinstance(value, list | tuple):
            return ", ".join(str(item) for item in value)
        return str(value)


def fields_from_schema(schema: Node, values: Node, prefix: str = "", group: str = "") -> list[FormField]:
    """Return a field for each property of an object's JSON Schema, in its order.

    `values` holds what is set now; what it lacks is at its default. `prefix` goes before each name, with a dot.
    """
    definitions = schema.get("$defs", {})
    return [
        _read_field(name, node, definitions, values, f"{prefix}.{name}" if prefix else name, group)
        for name, node in schema.get("properties", {}).items()
    ]


def title_of(name: str) -> str:
    """Return a name of the code as a label: `early_stopping_metric` is `Early stopping metric`."""
    words = [_ACRONYMS.get(word, word) for word in name.split("_")]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def _read_field(name: str, node: Node, definitions: Node, values: Node, path: str, group: str) -> FormField:
    inner, is_optional = _without_null(node, definitions)
    default = node.get("default", inner.get("default"))
    kind = _kind_of(inner)
    options = tuple(Option(str(value), str(value)) for value in _choices_of(inner))
    return FormField(
        name=path,
        label=str(node.get("title", "")) if " " in str(node.get("title", "")) and "_" not in name else title_of(name),
        kind=kind,
        value=values.get(name, default),
        default=default,
        help=str(node.get("description", inner.get("description", ""))),
        minimum=inner.get("minimum", inner.get("exclusiveMinimum")),
        maximum=inner.get("maximum", inner.get("exclusiveMaximum")),
        step=1 if kind == "integer" else "any" if kind == "number" else None,
        max_length=inner.get("maxLength"),
        options=(Option("", "none"), *options) if options and is_optional else options,
        group=group,
        is_optional=is_optional,
    )


def _without_null(node: Node, definitions: Node) -> tuple[Node, bool]:
    node = _resolve(node, definitions)
    choices = node.get("anyOf")
    if not choices:
        return node, False
    others = [_resolve(choice, definitions) for choice in choices if choice.get("type") != "null"]
    return (others[0] if len(others) == 1 else node), len(others) < len(choices)


def _resolve(node: Node, definitions: Node) -> Node:
    reference = node.get("$ref")
    return {**definitions[str(reference).rpartition("/")[2]], **node} if reference else node


def _choices_of(node: Node) -> list[Any]:
    if "enum" in node:
        return list(node["enum"])
    return [node["const"]] if "const" in node else []


def _kind_of(node: Node) -> FieldKind:
    if _choices_of(node):
        return "select"
    kinds: dict[str, FieldKind] = {"boolean": "checkbox", "integer": "integer", "number": "number", "string": "text"}
    if node.get("type") == "array" and node.get("items", {}).get("type") in {"integer", "number", "string"}:
        return "list"
    return kinds.get(str(node.get("type")), "json")
