"""Says in plain words why a library cannot read a file. What a library writes is for programmers, and names its types.

Each function returns the reason as the end of a sentence, without the full stop.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from types import MappingProxyType

_WRONG_TYPE = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<found>[^`]+)`(?: - at `\$\.?(?P<field>[^`]*)`)?")
_MISSING_FIELD = re.compile(r"Object missing required field `(?P<field>[^`]+)`(?: - at `\$\.?(?P<outer>[^`]*)`)?")
_MALFORMED = re.compile(r"JSON is malformed: (?P<what>.*?)(?: \(byte (?P<place>[0-9]+)\))?")
_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "str": "text",
        "int": "a number",
        "float": "a number",
        "bool": "true or false",
        "null": "empty (null)",
        "object": "an object",
        "array": "a list",
    }
)
_UNSUPPORTED = re.compile(r"unsupported (?P<what>.+)", re.IGNORECASE)


def explain_json(error: Exception) -> str:
    """Return why a JSON text cannot be decoded, or does not have the fields that it should have."""
    text = str(error)
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeError) or "UTF-8" in text:
        return "its letters are not encoded as UTF-8"
    if "truncated" in text:
        return "it ends too early"
    if found := _MISSING_FIELD.match(text):
        return f"the field {'.'.join(filter(None, (found['outer'], found['field'])))!r} is missing"
    if found := _WRONG_TYPE.match(text):
        subject = f"the field {found['field']!r}" if found["field"] else "it"
        got = "a number with a point" if found["found"] == "float" else _name_types(found["found"])
        return f"{subject} is {got} instead of {_name_types(found['wanted'])}"
    if found := _MALFORMED.fullmatch(text):
        place = f" at byte {int(found['place']):,}" if found["place"] else ""
        return f"{found['what']}{place}"
    return "it is malformed" if text.startswith("JSON") else text.rstrip(".")


def explain_undecodable(error: Exception) -> str:
    """Return why the pixels of an image cannot be decoded."""
    text = str(error)
    if "truncated" in text.casefold():
        return "the file is truncated"
    if found := _UNSUPPORTED.match(text):
        return f"its {found['what'].rstrip('.')} is not supported"
    return "the file is damaged"


def explain_table(error: csv.Error | OSError | UnicodeError, encoding: str = "UTF-8") -> str:
    """Return why a table in a text file cannot be read."""
    text = str(error)
    if isinstance(error, UnicodeError):
        return f"its letters are not encoded as {encoding}"
    if isinstance(error, OSError):
        return error.strerror or "the disk gives no reason"
    if "field larger" in text:
        return "a cell is longer than 100,000 characters"
    if "NUL" in text:
        return "a line contains a zero byte"
    if "new-line" in text:
        return "a line ends inside a cell that has no quotes"
    return "its quotes do not match"


def _name_types(types: str) -> str:
    names = types.split(" | ")
    texts = [_TYPES.get(name, name) for name in names]
    if len(names) > 1 and "float" not in names:
        texts = [text.replace("a number", "a whole number") for text in texts]
    return " or ".join(dict.fromkeys(texts))
