"""Names that users give to projects, experiments and splits: which are allowed, and when two are the same.

Names of images, classes and columns come from files and are not checked here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

MAX_NAME_LENGTH = 80
JOINERS = "\u200c\u200d"
"""Characters that show nothing and change how those beside them are drawn: they may belong to a word."""
# For documentation. In Python, \w is a letter or digit of any script; ECMAScript takes it for ASCII only.
NAME_PATTERN = r"^[^\W_][\w .()+-]{0,79}$"
_PUNCTUATION = frozenset("_ .()+-")
_ALLOWED = "letters and digits (any alphabet), spaces and _ - . ( ) +"
# Letters and marks that show nothing (Default_Ignorable_Code_Point without the categories C): two names would look
# the same, or a name would look empty.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
# Composing never needs more than this for a name of 80 characters that a keyboard or a file system makes. It is
# checked first, because sorting a long run of combining marks takes quadratic time.
_MAX_RAW_LENGTH = 8 * MAX_NAME_LENGTH


def normalize_name(name: str) -> str:
    """Return a name in the composed form (NFC); raises ValueError that says which character is not allowed."""
    if not name:
        msg = "This field is required."
        raise ValueError(msg)
    composed = compose(name)
    if len(composed) > MAX_NAME_LENGTH:
        msg = f"A name has at most {MAX_NAME_LENGTH} characters, this one has {len(composed):,}."
        raise ValueError(msg)
    for character in composed:
        if not _is_allowed(character):
            msg = f"{describe_character(character)} is not allowed in a name. Allowed are {_ALLOWED}."
            raise ValueError(msg)
    if not composed[0].isalnum():
        first = describe_character(composed[0])
        msg = f"A name begins with a letter or a digit, not with {first[:1].lower()}{first[1:]}."
        raise ValueError(msg)
    return composed


def compose(text: str) -> str:
    """Return text in the composed form (NFC) in which names are kept; what is too long for a name stays as it is."""
    return unicodedata.normalize("NFC", text) if len(text) <= _MAX_RAW_LENGTH else text


def _compose_known(text: str) -> str:
    """Return the name of something that exists. It may hold any character: a dataset can bring names along."""
    composed = compose(text)
    if not 0 < len(composed) <= MAX_NAME_LENGTH:
        msg = f"A name has 1 to {MAX_NAME_LENGTH} characters, this one has {len(composed):,}."
        raise ValueError(msg)
    return composed


def fold_name(name: str) -> str:
    """Return what two names have in common that differ in case or in their Unicode form only."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def find_same_name(name: str, taken: Iterable[str]) -> str | None:
    """Return the first of the names that counts as the same."""
    folded = fold_name(name)
    return next((other for other in taken if fold_name(other) == folded), None)


def add_suffix(name: str, suffix: str) -> str:
    """Return the name with an ending, shortened so that it stays a name."""
    room = MAX_NAME_LENGTH - len(suffix)
    while unicodedata.category(name[room : room + 1] or " ")[0] == "M":
        room -= 1  # a letter stays together with its marks
    return name[:room].rstrip() + suffix if len(name) > room else name + suffix


def describe_character(character: str) -> str:
    """Return a character as an error names it: itself when it can be seen, and its code point and name else."""
    if character.isprintable() and not character.isspace() and _INVISIBLE.match(character) is None:
        shown = f"\u25cc{character}" if unicodedata.category(character)[0] == "M" else character
        return f"'{shown}'"
    return f"The character {describe_code(character)}"


def describe_code(character: str) -> str:
    """Return the code point of a character, and its name where it has one: `U+200B ZERO WIDTH SPACE`."""
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()


def _is_allowed(character: str) -> bool:
    if character in _PUNCTUATION:
        return True
    is_mark = unicodedata.category(character) in {"Mn", "Mc"}
    return (character.isalnum() or is_mark) and _INVISIBLE.match(character) is None


_NAME_SCHEMA = {"type": "string", "minLength": 1, "maxLength": MAX_NAME_LENGTH, "pattern": NAME_PATTERN}
Name = Annotated[str, AfterValidator(normalize_name), WithJsonSchema(_NAME_SCHEMA)]
_KNOWN_NAME_SCHEMA = {"type": "string", "minLength": 1, "maxLength": MAX_NAME_LENGTH}
# `KnownName` is given in a body, `SoughtName` in an address, where what no name can be is simply not found.
KnownName = Annotated[str, AfterValidator(_compose_known), WithJsonSchema(_KNOWN_NAME_SCHEMA)]
SoughtName = Annotated[str, AfterValidator(compose)]
