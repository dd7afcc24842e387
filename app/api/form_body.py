"""Turns a form into the JSON that a route expects: `epochs=3&ratios.train=0.7` like {"epochs": 3, "ratios": {...}}.

Names nest with dots or brackets (`ratios.train`, `ratios[train]`), `name[]` and repeated names collect a list. A form
holds only text, so types come from the JSON schema of the body. What has no such type stays text, and the check of the
body says what is wrong with it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.datastructures import UploadFile

from app.api.json_text import UnacceptableJsonError, parse_json

MAX_DEPTH = 16
MAX_LIST = 10_000
_BOOLEANS = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}
_INDEX = re.compile(r"[0-9]{1,6}")
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_KEY = re.compile(r"[^.\[\]]+|\[\]")
Schema = Mapping[str, Any]


class UnacceptableFormError(ValueError):
    """The form cannot stand for a JSON document."""


def read_form(fields: Sequence[tuple[str, str | UploadFile]], schema: Schema) -> dict[str, Any]:
    """Return the fields of a form as the JSON that `schema` describes; raises UnacceptableFormError."""
    nested = _nest(fields)
    value = _convert(nested, schema, schema.get("$defs", {}))
    return value if isinstance(value, dict) else nested


def _nest(fields: Sequence[tuple[str, str | UploadFile]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in fields:
        if isinstance(value, UploadFile):
            msg = f"{name[:80]!r} is a file; this request takes none"
            raise UnacceptableFormError(msg)
        keys = _KEY.findall(name)
        if not keys or len(keys) > MAX_DEPTH:
            msg = f"{name[:80]!r} is no name of a field"
            raise UnacceptableFormError(msg)
        is_list = len(keys) > 1 and keys[-1] == "[]"
        _put(tree, keys[:-1] if is_list else keys, value, name, is_list=is_list)
    return tree


def _put(tree: dict[str, Any], keys: list[str], value: str, name: str, *, is_list: bool) -> None:
    at = tree
    for key in keys[:-1]:
        inner = at.setdefault(key, {})
        if not isinstance(inner, dict):
            msg = f"{name[:80]!r} contradicts a field before it"
            raise UnacceptableFormError(msg)
        at = inner
    last = keys[-1]
    if last not in at:
        at[last] = [value] if is_list else value
    elif isinstance(at[last], dict):
        msg = f"{name[:80]!r} contradicts a field before it"
        raise UnacceptableFormError(msg)
    elif isinstance(at[last], list):
        at[last].append(value)
    else:
        at[last] = [at[last], value]


def _convert(value: Any, schema: Schema, definitions: Schema) -> Any:
    """Return the value in the type of its schema, unchanged where it has none that fits."""
    schema = _resolve(schema, definitions)
    if options := schema.get("anyOf", schema.get("oneOf")):
        return _convert_to_one_of(value, options, definitions)
    kind = schema.get("type")
    if kind == "array":
        return _to_list(value, schema.get("items", {}), definitions)
    if kind == "object":
        return _to_object(value, schema, definitions)
    if isinstance(value, dict | list):
        return value if kind or not isinstance(value, dict) else _to_object(value, {}, definitions)
    return _to_scalar(value, kind if kind or ("enum" not in schema and "const" not in schema) else "string")


def _resolve(schema: Schema, definitions: Schema) -> Schema:
    if "$ref" in schema:
        found: Schema = definitions.get(schema["$ref"].rsplit("/", 1)[-1], {})
        return found
    if len(schema.get("allOf", ())) == 1:
        return _resolve(schema["allOf"][0], definitions)
    return schema


def _convert_to_one_of(value: Any, options: Sequence[Schema], definitions: Schema) -> Any:
    kinds = [_resolve(option, definitions) for option in options]
    if value == "" and any(option.get("type") == "null" for option in kinds):
        return None
    is_text = isinstance(value, str)
    for option in sorted(kinds, key=lambda item: item.get("type") == "string"):
        if option.get("type") == "null":
            continue
        converted = _convert(value, option, definitions)
        if not is_text or not isinstance(converted, str) or option.get("type") == "string":
            return converted
    return value


def _to_list(value: Any, items: Schema, definitions: Schema) -> Any:
    if isinstance(value, dict) and value and all(_INDEX.fullmatch(key) for key in value):
        value = [value[key] for key in sorted(value, key=int)]
    elif isinstance(value, str):
        parsed = _parse_json(value, "[")
        value = parsed if parsed is not None else [value] if value != "" else []
    if not isinstance(value, list) or len(value) > MAX_LIST:
        return value
    return [_convert(item, items, definitions) for item in value]


def _to_object(value: Any, schema: Schema, definitions: Schema) -> Any:
    if isinstance(value, str):
        parsed = _parse_json(value, "{")
        value = parsed if parsed is not None else {} if value == "" else value
    if not isinstance(value, dict):
        return value
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    others = others if isinstance(others, dict) else {}
    return {key: _convert(item, properties.get(key, others), definitions) for key, item in value.items()}


def _to_scalar(value: Any, kind: str | None) -> Any:
    if not isinstance(value, str) or kind == "string":
        return value
    if kind == "boolean":
        return _BOOLEANS.get(value.strip().lower(), value)
    if kind in {"integer", "number"}:
        return _to_number(value, is_integer=kind == "integer")
    return _guess(value)


def _to_number(value: str, *, is_integer: bool) -> Any:
    text = value.strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    if is_integer or len(text) > 40:
        return value
    try:
        number = float(text)
    except ValueError:
        return value
    return number if math.isfinite(number) else value


def _guess(value: str) -> Any:
    """Return a value of free form, such as a hyperparameter: as JSON where it is a number, true, false or null."""
    if value in {"true", "false", "null"}:
        return json.loads(value)
    for opening in "[{":
        if (parsed := _parse_json(value, opening)) is not None:
            return parsed
    return _to_number(value, is_integer=False) if re.fullmatch(r"\s*[+-]?[0-9.].*", value) else value


def _parse_json(value: str, opening: str) -> Any:
    if not value.lstrip().startswith(opening):
        return None
    try:
        return parse_json(value.encode("utf-8", "surrogatepass"))
    except UnacceptableJsonError as error:
        msg = f"a value is not acceptable JSON: {error}"
        raise UnacceptableFormError(msg) from None
