"""Reads JSON text strictly: what a parser or a reader could choke on later is refused. Knows no request."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MAX_DEPTH = 64
_MAX_INTEGER_DIGITS = 20


class UnacceptableJsonError(ValueError):
    """The text is not JSON, or holds what no field of this API can hold."""


def parse_json(body: bytes) -> Any:
    """Return the value; raises UnacceptableJsonError for NaN, numbers beyond 64 bits, deep nesting, half characters."""
    try:
        text = body.decode("utf-8")
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite_float, parse_int=_small_int)
    except RecursionError:
        msg = f"nested deeper than {MAX_DEPTH} levels"
        raise UnacceptableJsonError(msg) from None
    except UnicodeDecodeError:
        msg = "not UTF-8"
        raise UnacceptableJsonError(msg) from None
    except json.JSONDecodeError as error:
        msg = f"{error.msg} at character {error.pos}"
        raise UnacceptableJsonError(msg) from None
    _check_nesting(value)
    if "\\u" in text:
        _check_characters(value)
    return value


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not a number"
    raise UnacceptableJsonError(msg)


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        msg = f"{text[:20]} is beyond the range of a number"
        raise UnacceptableJsonError(msg)
    return value


def _small_int(text: str) -> int:
    if len(text) > _MAX_INTEGER_DIGITS:
        msg = f"an integer of {len(text)} digits is too large"
        raise UnacceptableJsonError(msg)
    return int(text)


def _check_nesting(value: Any) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            msg = f"nested deeper than {MAX_DEPTH} levels"
            raise UnacceptableJsonError(msg)
        level = [child for item in level for child in _children(item)]


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [item for item in value.values() if isinstance(item, dict | list)]
    if isinstance(value, list):
        return [item for item in value if isinstance(item, dict | list)]
    return []


def _check_characters(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        msg = "half of a surrogate pair is not a character"
        raise UnacceptableJsonError(msg) from None
