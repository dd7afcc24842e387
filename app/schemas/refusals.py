"""Explains why a schema refused a value, in plain sentences instead of pydantic's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

# pydantic's kinds of error; those that it names for numbers, texts and lists have the limit in their context.
_KINDS: Mapping[str, str] = {
    "missing": "This field is required.",
    "extra_forbidden": "There is no such field or setting.",
    "json_invalid": "This is not valid JSON.",
    "bool_parsing": "This must be true or false.",
    "bool_type": "This must be true or false.",
    "int_from_float": "This must be a whole number.",
    "int_parsing": "This must be a whole number.",
    "int_parsing_size": "This number is too large.",
    "int_type": "This must be a whole number.",
    "float_parsing": "This must be a number.",
    "float_type": "This must be a number.",
    "finite_number": "This must be a finite number.",
    "string_type": "This must be text.",
    "string_unicode": "This must be valid Unicode text.",
    "list_type": "This must be a list.",
    "tuple_type": "This must be a list.",
    "dict_type": "This must be an object with named values.",
    "model_type": "This must be an object with named values.",
    "model_attributes_type": "This must be an object with named values.",
    "none_required": "This must be null or left out.",
    "greater_than_equal": "This must be at least {ge}.",
    "greater_than": "This must be more than {gt}.",
    "less_than_equal": "This must be at most {le}.",
    "less_than": "This must be less than {lt}.",
    "literal_error": "This must be {expected}.",
    "enum": "This must be {expected}.",
    "string_too_long": "This has too many characters; {max_length} is the limit.",
    "string_too_short": "This has too few characters; it needs at least {min_length}.",
    "too_long": "This has too many entries; {max_length} is the limit.",
}
# The patterns of `id_pattern`, and what else must look a certain way.
_ID = re.compile(r"\^([a-z]+)-\[0-9a-f\]\{8\}\$")
_EXAMPLE = "3f8a1c0d"
MAX_SHOWN = 60
_PATTERNS: Mapping[str, str] = {
    r"^(cpu|gpu:[0-9]{1,2})$": "A device is cpu, or gpu: and its number, such as gpu:0.",
    r"^[A-Za-z0-9._-]+$": "An id consists of letters, digits and . _ - only.",
    r"^[0-9]{1,4}-[0-9]{1,2}\.jpg$": "A preview picture has a name such as 0-1.jpg.",
    r"^\d{1,3}-\d{1,3}$": "This must be two whole numbers such as 6-15.",
    r"^\d{1,4}-\d{1,4}$": "This must be two whole numbers such as 3-5.",
}


def explain_refusal(error: Mapping[str, Any]) -> str:
    """Return one of pydantic's errors as a sentence; its own words where it is of a kind that needs no other."""
    kind, context = str(error["type"]), error.get("ctx") or {}
    minimum = context.get("min_length")
    if kind == "too_short":
        return "Choose at least one." if minimum == 1 else f"Choose at least {minimum}."
    if kind == "string_too_short" and minimum == 1:
        return _KINDS["missing"]
    if kind == "string_pattern_mismatch":
        return _explain_pattern(str(context.get("pattern")))
    try:
        return _KINDS[kind].format(**{name: _show(value) for name, value in context.items()})
    except KeyError:
        return str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "This must be")


def explain_list_refusal(error: Mapping[str, Any], example: Sequence[Any]) -> str:
    """Return the refusal of a setting that is a list such as `example`: with the entry that is wrong.

    `error` has its `input`; `loc` of an entry ends with its place.
    """
    kind, value = str(error["type"]), show_value(error["input"])
    if kind == "list_type":
        return f"Enter a list such as {json.dumps(list(example))}; {value} is not a list."
    if not isinstance(error["loc"][-1], int):
        return explain_refusal(error)
    if kind.startswith("int_"):
        return f"Enter whole numbers such as {', '.join(map(str, example))}; {value} is not a whole number."
    return f"{value} is not allowed. {explain_refusal(error)}"


def show_value(value: Any) -> str:
    """Return a refused value as it was written, shortened when it is long: texts in quotes, all else as in JSON."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=repr, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def _explain_pattern(pattern: str) -> str:
    if found := _ID.fullmatch(pattern):
        prefix = found[1]
        return (
            f"This is not an id of the right kind. It must be {prefix}- and eight digits or letters from a to f, "
            f"such as {prefix}-{_EXAMPLE}."
        )
    return _PATTERNS.get(pattern, "This has characters that are not allowed here, or is in the wrong form.")


def _show(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{int(value):,}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:g}"
