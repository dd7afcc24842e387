"""Reads JSON objects as a table whose columns are their keys; here one object per line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import msgspec

from app.datasets.decoder_errors import explain_json
from app.datasets.formats.base import SourceError, shorten
from app.datasets.formats.documents.text_encodings import describe_guess, recode
from app.datasets.formats.documents.text_marks import read_lines
from app.datasets.formats.layouts.walking import too_many_entries
from app.datasets.formats.tables.nested import flatten, is_cell, is_numbers
from app.datasets.formats.tables.rows import Row
from app.datasets.formats.work import LimitError, Work
from app.plurals import name_first
from app.regular_files import open_regular

_MAX_LINE_BYTES = 1 << 22
_MAX_KEYS = 1000
_MAX_CELL_CHARACTERS = 100_000
_MAX_NAMED = 10
_LARGEST_WHOLE = 1e15
_GUESSED_BYTES = 16 * 2**20
_FIX = 'Write one JSON object per line, e.g. {"file_name": "1.png", "label": "cat"}.'


class ObjectTable:
    """A table of JSON objects whose keys are the columns; those of objects inside are called `label.name`."""

    def __init__(self, path: Path, name: str, work: Work, note: str) -> None:
        """Read the keys; raises SourceError when there is no object."""
        self.path = path
        self.name = name
        self.comment_header: tuple[str, ...] = ()
        self.has_decimal_commas = False
        self.notes: tuple[str, ...] = (note,)
        self._work = work
        self._keys: dict[str, int] = {}  # number of columns of each key: more than one for a list of numbers
        self.left_out = left_out = self._find_keys()
        there = name_first([repr(shorten(key)) for key in left_out], _MAX_NAMED)
        self.left_out_note = f"Fields that are not used, because they hold lists: {there}." if left_out else ""
        if left_out:
            self.notes += (self.left_out_note,)
        self.header: tuple[str, ...] | None = tuple(self._name_columns())

    @property
    def lists(self) -> dict[str, range]:
        """The fields that hold lists of numbers, each with the columns of these, counted from 0."""
        ends = list(accumulate(self._keys.values()))
        widths = zip(self._keys.items(), ends, strict=True)
        return {key.strip(): range(end - width, end) for (key, width), end in widths if width > 1}

    def rows(self) -> Iterator[Row]:
        """Yield the values of each object in the order of the columns; raises SourceError when reading fails."""
        for number, found in self.objects():
            if isinstance(found, str):
                yield Row(number, [], found, _FIX)
                continue
            cells: list[str] = []
            record = flatten(found)
            for key, width in self._keys.items():
                cells += _read_cells(record.get(key), width)
            yield Row(number, cells)

    def objects(self) -> Iterator[tuple[int, dict[str, Any] | str]]:
        """Yield the number of each entry with its object, or with what is wrong with it."""
        raise NotImplementedError

    def _find_keys(self) -> list[str]:
        """Collect the keys of all objects in the order in which they come; return those that no column can hold."""
        left_out: dict[str, None] = {}
        filled: set[str] = set()
        for number, found in self.objects():
            self._work.step(f"Finding the columns of {self.path.name}", number)
            if isinstance(found, str):
                continue
            for key, value in flatten(found).items():
                if value is not None:
                    filled.add(key)
                if not is_cell(value):
                    left_out[key] = None
                elif key not in self._keys:
                    self._keys[key] = len(value) if is_numbers(value) else 1
            if len(left_out) + sum(self._keys.values()) > _MAX_KEYS:
                msg = f"The objects of {self.path.name} have more than {_MAX_KEYS:,} values."
                raise SourceError(msg, "Leave out the keys that are not needed.")
        self._drop_missing_objects(filled)
        if not self._keys:
            raise SourceError(f"{self.path.name} has no JSON object with a usable value.", _FIX)
        return [key for key in left_out if key not in self._keys]

    def _drop_missing_objects(self, filled: set[str]) -> None:
        """Leave out the fields that are null wherever they are no object, beside those of the object."""
        objects = {key[:place] for key in self._keys for place, character in enumerate(key) if character == "."}
        for key in objects.difference(filled).intersection(self._keys):
            del self._keys[key]

    def _name_columns(self) -> Iterator[str]:
        for key, width in self._keys.items():
            if width == 1:
                yield key.strip()
            else:
                yield from (f"{key.strip()}_{index}" for index in range(width))


class JsonLinesTable(ObjectTable):
    """A file of JSON objects, one per line."""

    def __init__(self, path: Path, name: str, work: Work) -> None:
        """Read the keys; raises SourceError when no line is an object, LimitError for a file that is too large."""
        self._encoding = _find_code_page(path)
        super().__init__(path, name, work, f"One JSON object per line.{describe_guess(self._encoding)}")

    def objects(self) -> Iterator[tuple[int, dict[str, Any] | str]]:
        """Yield the object of each line."""
        for number, line in self._lines():
            own = line.decode(self._encoding, "replace").encode() if self._encoding else line
            yield number, _decode(own)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the number and the bytes of each line that is not blank."""
        most_bytes, most = self._work.limits.max_annotation_bytes, self._work.limits.max_entries
        try:
            with open_regular(self.path) as file:
                num_bytes = 0
                for number, line in enumerate(read_lines(file, _MAX_LINE_BYTES), start=1):
                    num_bytes += len(line)
                    if len(line) >= _MAX_LINE_BYTES:
                        msg = f"Line {number} of {self.path.name} has {_MAX_LINE_BYTES:,} bytes or more."
                        raise SourceError(msg, _FIX)
                    if number > most:
                        raise too_many_entries(f"The table {self.path.name} has", most)
                    if num_bytes > most_bytes:
                        msg = f"{self.path.name} has more than {most_bytes / 2**20:,.0f} MiB."
                        raise LimitError(msg, "Divide it, or raise AI_STUDIO_MAX_ANNOTATION_BYTES.")
                    if line.strip():
                        yield number, line
        except OSError as error:
            msg = f"{self.path.name} cannot be read: {error.strerror}."
            raise SourceError(msg, "Check its permissions and the disk.") from error


def _find_code_page(path: Path) -> str:
    """Return the guessed encoding of a file most of whose words are no UTF-8; empty for any other."""
    try:
        with open_regular(path) as file:
            return recode(file.read(_GUESSED_BYTES))[1]
    except OSError as error:
        msg = f"{path.name} cannot be read: {error.strerror}."
        raise SourceError(msg, "Check its permissions and the disk.") from error


def _decode(line: bytes) -> dict[str, Any] | str:
    """Return the object of a line, or what is wrong with it."""
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"The line is not valid JSON: {explain_json(error)}."
    return found if isinstance(found, dict) else "The line is not a JSON object."


def is_list(text: str) -> bool:
    """Say whether a cell is the text of a list or an object, which stands where other records have one value."""
    try:
        return text.startswith(("[", "{")) and isinstance(msgspec.json.decode(text), list | dict)
    except (msgspec.DecodeError, RecursionError):
        return False


def _read_cells(value: object, width: int) -> list[str]:
    """Return the cells of a key: one, or one for each number of a list."""
    if width == 1:
        return [_text(next(iter(value), None) if isinstance(value, list) and len(value) < 2 else value)]
    numbers = list(value) if isinstance(value, list) else []
    if len(numbers) != width:  # an empty cell is named as such
        return [""] * width
    return [_text(number) for number in numbers]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value[:_MAX_CELL_CHARACTERS]
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_WHOLE:
        return str(int(value))  # tables of numbers write 3 as 3.0, also where it is a class or a name
    if isinstance(value, int | float):
        return shorten(repr(value), 1000)
    return msgspec.json.encode(value).decode()[:_MAX_CELL_CHARACTERS]
