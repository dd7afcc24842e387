"""Makes names of classes from names of folders, which may hold bytes that are no text."""

from __future__ import annotations

import os
from collections.abc import Iterable

from app.datasets.formats.base import clean_text, is_readable
from app.datasets.formats.report.problem_list import ProblemList
from app.plurals import name_first
from app.schemas.names import describe_code

_MAX_NAMED = 3
_FIX = "Rename the folder, or give the class another name."


def name_classes(raw_names: Iterable[str], problems: ProblemList) -> dict[str, str]:
    """Return a class name for each name of a folder: text that JSON can hold, and never one for two folders."""
    unique = sorted(set(raw_names))
    names = {raw: raw for raw in unique if raw == clean_text(raw) and is_readable(raw)}
    for raw in unique:
        if raw in names:
            continue
        plain = "".join(c if is_readable(c) else "?" for c in clean_text(raw))
        name, number = plain, 1
        while name in names.values():
            number += 1
            name = f"{plain} ({number})"
        names[raw] = name
        problems.warn(name, f"{_explain(raw)}; its class is '{name}'.", _FIX, kind="undecodable_name")
    return names


def _explain(raw: str) -> str:
    if raw != clean_text(raw):
        shown = os.fsencode(raw).decode("ascii", "backslashreplace")
        return f"The name of the folder cannot be decoded as text ({shown})"
    unseen = dict.fromkeys(describe_code(c) for c in raw if not is_readable(c))
    what = "characters that cannot be shown" if len(unseen) > 1 else "a character that cannot be shown"
    return f"The name of the folder has {what} ({name_first(list(unseen), _MAX_NAMED)})"
