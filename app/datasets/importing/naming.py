"""Gives the images of a dataset their names in its one flat folder: safe on every file system, and no two alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from app.datasets.formats.base import clean_text

_MAX_NAME_BYTES = 200
_MAX_ENDING_CHARACTERS = 16
# What some file system or shell gives a meaning to; categories C are controls, formats, surrogates and unassigned.
_RESERVED = re.compile(r'[/\\:*?"<>|]')
_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])", re.IGNORECASE)


def assign_filenames(names: Iterable[str]) -> list[str]:
    """Return a file name for each path inside a source, in order; one that is taken gets `_1`, `_2` and so on.

    Names that differ only in case or in their Unicode form count as the same.
    """
    taken: set[str] = set()
    counters: dict[str, int] = {}
    assigned = []
    for name in names:
        clean = clean_filename(name)
        key = _fold(clean)
        if key in taken:
            stem, ending = _split_ending(clean)
            number = counters.get(key, 0)
            while key in taken or number == 0:
                number += 1
                clean = f"{stem}_{number}{ending}"
                counters[_fold(f"{stem}{ending}")] = number
                key = _fold(clean)
        taken.add(key)
        assigned.append(clean)
    return assigned


def keep_source_name(name: str, filename: str) -> str:
    """Return what `source_name` of an image holds: its path inside the source, empty where the file name says it all.

    Bytes that are no text are escaped, and so is what would break a line or turn the direction of the text around it.
    """
    path = _UNSHOWN.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), clean_text(name))
    return "" if path == filename else path


def clean_filename(name: str) -> str:
    """Return the last part of a path as a plain file name: no separators, controls, leading or trailing dots."""
    last = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    printable = "".join("_" if unicodedata.category(character)[0] == "C" else character for character in last)
    clean = _RESERVED.sub("_", printable).strip(" ")
    clean = re.sub(r"^\.+|[. ]+$", "_", clean) or "image"
    stem, ending = _split_ending(clean)
    if _DEVICES.fullmatch(stem.partition(".")[0]):
        stem = f"_{stem}"
    room = _MAX_NAME_BYTES - len(ending.encode())
    return stem.encode()[:room].decode("utf-8", "ignore") + ending


def _split_ending(name: str) -> tuple[str, str]:
    stem, dot, ending = name.rpartition(".")
    return (stem, f".{ending}") if dot and stem and len(ending) <= _MAX_ENDING_CHARACTERS else (name, "")


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())
