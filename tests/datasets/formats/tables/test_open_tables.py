"""A reading opens each of its tables once, and keeps none of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from openpyxl import Workbook

from app.annotations.registry import get_kind
from app.datasets.formats.report.check import check_source
from app.datasets.formats.source import Source
from app.datasets.formats.tables import open_table as opening
from app.datasets.formats.tables.open_table import open_table
from app.datasets.formats.tables.rows import OpenTables, Table
from app.datasets.formats.work import Work
from tests.datasets.formats.sources import ALLOWED, write_source

ROWS = [(f"{number}.png", "ab"[number % 2]) for number in range(4)]


def write_table(path: Path) -> Path:
    """Write a table of four images in the way that its ending asks for."""
    records = [{"file_name": name, "label": label} for name, label in ROWS]
    texts = {
        ".csv": "file,label\n" + "".join(f"{name},{label}\n" for name, label in ROWS),
        ".txt": "".join(f"{name} {label}\n" for name, label in ROWS),
        ".jsonl": "".join(f"{json.dumps(record)}\n" for record in records),
        ".json": json.dumps(records),
    }
    if path.suffix in texts:
        path.write_text(texts[path.suffix])
        return path
    book = Workbook()
    for row in [("file", "label"), *ROWS]:
        book.worksheets[0].append(row)
    book.save(path)
    return path


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the tables that are opened, as often as they are."""
    names: list[str] = []
    open_file = opening._open

    def count_opening(path: Path, root: Path, work: Work) -> Table:
        names.append(path.name)
        return open_file(path, root, work)

    monkeypatch.setattr(opening, "_open", count_opening)
    return names


@pytest.mark.parametrize("ending", [".csv", ".txt", ".jsonl", ".json", ".xlsx"])
def test_a_dry_run_opens_a_table_once_and_keeps_none(tmp_path: Path, ending: str, openings: list[str]) -> None:
    root = write_source(tmp_path / "in", [name for name, _ in ROWS])
    write_table(root / f"labels{ending}")
    work = Work()
    for number in (1, 2):
        report = check_source(Source(root, get_kind("label"), ALLOWED, work=work), tmp_path)
        assert (report.source_format, report.num_images) == ("csv", 4)
        assert openings == [f"labels{ending}"] * number


def test_several_tables_are_opened_once_each(tmp_path: Path, openings: list[str]) -> None:
    root = write_source(tmp_path / "in", [name for name, _ in ROWS])
    (root / "train.csv").write_text("file,label\n0.png,a\n1.png,b\n")
    (root / "val.csv").write_text("file,label\n2.png,a\n3.png,b\n")
    report = check_source(Source(root, get_kind("label"), ALLOWED), tmp_path)
    assert report.split_counts == {"train": 2, "val": 2}
    assert sorted(openings) == ["train.csv", "val.csv"]


def test_a_table_that_changed_is_opened_again(tmp_path: Path, openings: list[str]) -> None:
    path, work = write_table(tmp_path / "labels.csv"), Work()
    first = open_table(path, tmp_path, work)
    assert open_table(path, tmp_path, work) is first
    path.write_text("file,label\n0.png,a\n")
    assert len(list(open_table(path, tmp_path, work).rows())) == 2
    work.close()
    assert open_table(path, tmp_path, work) is not first
    assert len(openings) == 3


def test_as_many_are_kept_as_their_files_may_have(tmp_path: Path) -> None:
    tables = OpenTables(max_bytes=100)
    table = open_table(write_table(tmp_path / "labels.csv"), tmp_path, Work())
    for key, num_bytes in (("a", 60), ("b", 40), ("c", 50)):
        tables.keep(key, table, num_bytes)
    assert [tables.find(key) is table for key in "abc"] == [False, True, True]
    tables.keep("large", table, 1000)
    assert [tables.find(key) is table for key in ("a", "b", "c", "large")] == [False, False, False, True]
    tables.clear()
    assert tables.find("large") is None
