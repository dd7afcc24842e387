"""Reads a JSON file as a table: a list of objects whose keys are the columns, or an object of one entry per image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from app.datasets.decoder_errors import explain_json
from app.datasets.formats.base import SourceError
from app.datasets.formats.documents.json_documents import inspect_json, read_whole, replace_non_finite
from app.datasets.formats.documents.text_encodings import describe_guess, recode
from app.datasets.formats.layouts.walking import too_many_entries
from app.datasets.formats.tables.column_view import has_image_ending
from app.datasets.formats.tables.json_lines import ObjectTable
from app.datasets.formats.work import Work

_FIX = 'Write a list of objects, e.g. [{"file_name": "1.png", "label": "cat"}], or save it as CSV.'


class JsonRecordsTable(ObjectTable):
    """A JSON file with one object, or one name with its value, for each image."""

    def __init__(self, path: Path, name: str, work: Work) -> None:
        """Read all records; raises SourceError for any other JSON, LimitError for a file that is too large."""
        kind = inspect_json(path, work)
        if not kind.is_table:
            msg = f"{path.name} is no table: it is {kind.description}."
            raise SourceError(msg, kind.fix if not kind.is_coco else "Import it as COCO.")
        self._records, encoding = _read_records(path, work)
        super().__init__(path, name, work, f"A JSON list of records.{describe_guess(encoding)}")

    def objects(self) -> Iterator[tuple[int, dict[str, Any] | str]]:
        """Yield each record by its number."""
        yield from enumerate(self._records, start=1)


def _read_records(path: Path, work: Work) -> tuple[list[dict[str, Any] | str], str]:
    """Return the objects of the file, or what is wrong with an entry, and the encoding if it was guessed."""
    most = work.limits.max_entries
    data = read_whole(path, work, "Divide it")
    try:
        data, encoding = recode(data)
        found = msgspec.json.decode(replace_non_finite(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"{path.name} is not valid JSON: {explain_json(error)}."
        raise SourceError(msg, _FIX) from error
    if isinstance(found, dict):
        found = _list_named(found, path)
    if len(found) > most:
        raise too_many_entries(f"The table {path.name} has", most)
    records = [record if isinstance(record, dict) else "The entry is not a JSON object." for record in found]
    return records, encoding


def _list_named(found: dict[str, Any], path: Path) -> list[Any]:
    """Return one record for each name; lists of classes with numbers look alike, but name no image files."""
    if not all(map(has_image_ending, found)):
        msg = f"{path.name} is a list of names that are no image files."
        raise SourceError(msg, _FIX)
    return [
        {**value, "file_name": name} if isinstance(value, dict) else {"file_name": name, "value": value}
        for name, value in found.items()
    ]
