"""Reads the numbers of a table and warns of columns that training cannot learn from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from app.datasets.formats.base import shorten
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.tables.rows import is_measure, join_thousands
from app.datasets.formats.work import Work
from app.datasets.run_data import LARGEST_VALUE, find_far_away

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BROKEN_GROUPS = re.compile(r"[0-9][' \u00a0\u202f][0-9]")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}([,.' \u00a0\u202f][0-9]{3})+([.,][0-9]*)?")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,(?P<places>[0-9]+)([eE][+-]?[0-9]+)?")
_MAX_DIGITS = 400
MAX_WORDS = 3
"""Words that the warning about a column of words names."""
_NO_VALUES = frozenset({"nan", "na", "null", "none", "inf", "infinity"})
_FEWEST_STEPS = 1000
"""Numbers that float64 has to be able to tell apart between the least and the greatest of a column."""


class RowError(ValueError):
    """A row cannot be used; `fix` says what to write instead, `kind` which kind of problem it is."""

    def __init__(self, message: str, fix: str, kind: str = "bad_value") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.kind = kind


def parse_number(text: str) -> float:
    """Return a finite number written in plain decimal or scientific notation; raises RowError for anything else."""
    if not text:
        raise RowError("The value is empty.", "Write a number, or remove the row.")
    if text.casefold().lstrip("+-") in {"nan", "inf", "infinity"}:
        msg = f"The value {text!r} is not a finite number."
        raise RowError(msg, "Write a number, or remove the row.")
    if len(text) > _MAX_DIGITS:
        msg = f"The value {shorten(text, 20)!r} has {len(text):,} characters."
        raise RowError(msg, "Write the number with fewer digits.")
    if _NUMBER.fullmatch(text) is None:
        msg = f"The value {shorten(text)!r} is not a number{_explain(text)}."
        has_thousands = _THOUSANDS.fullmatch(text) is not None
        fix = "Write it like 1234.5 or 1 234.5." if has_thousands else "Write it like 12.5, without units."
        raise RowError(msg, fix)
    value = float(text)
    if value in {float("inf"), float("-inf")}:
        msg = f"The value {shorten(text)!r} is too large."
        raise RowError(msg, "Write a number below 1.8e308.")
    return value


def is_word(text: str) -> bool:
    """Say whether a cell has letters and no digit, and does not stand for a missing number."""
    return any(map(str.isalpha, text)) and not any(map(str.isdigit, text)) and text.casefold() not in _NO_VALUES


def warn_of_words(words: Iterable[str], table_name: str, problems: ProblemList) -> None:
    """Warn of a table whose targets are words, none of them a number: they may be classes."""
    shown = ", ".join(repr(shorten(word, 40)) for word in words)
    message = f"The column of the values holds words, such as {shown}, and no numbers."
    fix = "Choose another column, or use a project that predicts classes."
    problems.warn(table_name, message, fix, kind="column")


def has_decimal_commas(texts: Iterable[str]) -> bool:
    """Say whether the commas in the numbers of a table divided by commas are decimal commas.

    1,234 alone may be either; 0,5 beside it decides, and so does 1,234,567 or 1,234.5 for thousands.
    """
    is_decimal = False
    for text in map(join_thousands, texts):
        if "," not in text:
            continue
        if (text.count(",") > 1 or "." in text) and _THOUSANDS.fullmatch(text):
            return False
        found = _DECIMAL_COMMA.fullmatch(text)
        is_decimal |= found is not None and len(found["places"]) != 3
    return is_decimal


def warn_of_columns(
    names: Sequence[str], images: Mapping[str, Sequence[float]], table_name: str, problems: ProblemList, work: Work
) -> None:
    """Warn of columns in which every number is the same, one is far away from the others, or none can be told apart.

    `images` has the numbers of each image by its name.
    """
    files, rows = list(images), list(images.values())
    for index, name in enumerate(names if rows else ()):
        work.step(f"Checking the values of {table_name}", index, len(names))
        column = [row[index] for row in rows]
        low, high = min(column), max(column)
        far = find_far_away(files.__getitem__, [column])
        if max(abs(low), abs(high)) > LARGEST_VALUE:
            large = sum(abs(number) > LARGEST_VALUE for number in column)
            verb = "number in {} is" if large == 1 else "numbers in {} are"
            message = (
                f"{large:,} {verb.format(repr(shorten(name)))} larger than {LARGEST_VALUE:g}, such as "
                f"{(high if high > LARGEST_VALUE else low)!r}: training cannot use it."
            )
            problems.warn(table_name, message, "Correct it, or write the values in a larger unit.", kind="too_large")
        elif far is not None:
            message = (
                f"{shorten(far.name)} has {far.value:g} in {shorten(name)!r}, while half of the images are between "
                f"{far.low:g} and {far.high:g}: next to it all others look the same to a model."
            )
            fix = "Correct or remove it, or import the logarithm of the values."
            problems.warn(table_name, message, fix, kind="far_away")
        if len(rows) < 2:
            continue
        if low == high:
            message = f"Every image has the same number in {shorten(name)!r}: there is nothing to learn."
            problems.warn(table_name, message, "Use a column whose numbers differ.", kind="column")
        elif high - low < _FEWEST_STEPS * math.ulp(max(abs(low), abs(high))):
            message = (
                f"The numbers in {shorten(name)!r} reach from {low!r} to {high!r}. A number has about 16 digits, so "
                f"little is left of their differences, and they cannot be learned."
            )
            fix = "Subtract the same number from each of them before the import."
            problems.warn(table_name, message, fix, kind="column")


def _explain(text: str) -> str:
    """Return why a text that looks like a number is none."""
    if _THOUSANDS.fullmatch(text):
        return ": it has thousands separators"
    if text.endswith("%") and is_measure(text):
        return ": it has a percent sign"
    if _BROKEN_GROUPS.search(text) is not None and is_measure(text):
        return ": blanks or apostrophes stand between its digits and do not group them by three"
    if text.count(",") == 1 and is_measure(text) and not text[-1].isalpha():
        return ": it has a decimal comma in a table divided by commas"
    return ": it has a unit" if is_measure(text) and text[0] in "+-0123456789" else ""
