"""Rows of results whose names are no text are refused; those without a name of the source are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.storage.evaluation_documents import read_results
from app.storage.json_store import CorruptDocumentError


def write(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "results.json"
    path.write_text(json.dumps({"results": rows}), "utf-8")
    return path


@pytest.mark.parametrize("name", [3, None, ["dog/3.png"]])
def test_a_name_of_the_source_that_is_no_text_is_refused(tmp_path: Path, name: object) -> None:
    path = write(tmp_path, {"filename": "1.png"}, {"filename": "3_1.png", "source_name": name})
    with pytest.raises(CorruptDocumentError, match=r"results\.1: source_name: it is no text"):
        read_results(path)


def test_rows_with_and_without_a_name_of_the_source_are_read(tmp_path: Path) -> None:
    rows = [{"filename": "1.png"}, {"filename": "3_1.png", "source_name": "dog/3.png"}]
    assert read_results(write(tmp_path, *rows)) == rows
