"""Reads JSON text strictly: what a parser or a reader could fail on later is refused. Knows no request."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

MAX_DEPTH = 64
# Twice what the largest body that makes sense has, a mapping of 10,000 classes: each value that does not fit becomes an
# error of its own before anybody can stop it, and 700,000 of them held up every other request for a second.
MAX_TOKENS = 100_000
_MAX_INTEGER_DIGITS = 20
# Each match is a character or two and no step is ever taken back: the time is linear, and the memory constant.
_SIGN = re.compile(rb'["\[\]{},]|\\.', re.DOTALL)
_DEPTHS = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


class UnacceptableJsonError(ValueError):
    """The text is not JSON, or holds what no field of this API can hold."""


def parse_json(body: bytes) -> Any:
    """Return the value; raises UnacceptableJsonError for NaN, numbers beyond 64 bits, deep nesting, half characters."""
    _check_structure(body)
    try:
        text = body.decode("utf-8")
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite_float, parse_int=_small_int)
    except UnicodeDecodeError:
        msg = "not UTF-8"
        raise UnacceptableJsonError(msg) from None
    except json.JSONDecodeError as error:
        msg = f"{error.msg} at character {error.pos}"
        raise UnacceptableJsonError(msg) from None
    if "\\u" in text:
        _check_characters(value)
    return value


def _check_structure(body: bytes) -> None:
    """Refuse deep nesting and very many values before the parser, which lets no other thread run, sees them."""
    depth, count, is_text = 0, 0, False
    for match in _SIGN.finditer(body):
        sign = match[0]
        if sign == b'"':
            is_text = not is_text
        if is_text and sign != b'"':
            continue
        depth += _DEPTHS.get(sign, 0)
        count += 1
        if depth > MAX_DEPTH:
            msg = f"nested deeper than {MAX_DEPTH} levels"
            raise UnacceptableJsonError(msg)
        if count > MAX_TOKENS:
            msg = f"more than {MAX_TOKENS} brackets, commas and quotes"
            raise UnacceptableJsonError(msg)


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


def _check_characters(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        msg = "half of a surrogate pair is not a character"
        raise UnacceptableJsonError(msg) from None
