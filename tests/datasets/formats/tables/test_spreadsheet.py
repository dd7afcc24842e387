"""Excel workbooks as tables, and those that are no workbooks or would cost too much."""

from __future__ import annotations

import contextlib
import datetime
import io
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from app.annotations.registry import get_kind
from app.datasets.formats.base import SourceError
from app.datasets.formats.report.check import check_source
from app.datasets.formats.source import Source
from app.datasets.formats.tables.spreadsheet import SpreadsheetTable
from app.datasets.formats.work import LimitError, Work
from app.schemas.datasets import ImportOptions
from app.schemas.payloads import ImportLimits
from tests.datasets.formats.scanned import labels, scan_folder, splits, values, write_files
from tests.datasets.pictures import write_image


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_files(tmp_path / "in", *(f"images/000{number}.png" for number in range(3)))


def write_book(path: Path, *sheets: list[list[Any]], **formats: str) -> Path:
    """Write a workbook; `formats` are the number formats of columns by their letter."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(f"Sheet {number}")
        for row in rows:
            sheet.append(row)
        for column, form in formats.items():
            for (cell,) in sheet[f"{column}1:{column}{len(rows)}"] if rows else ():
                cell.number_format = form
    book.save(path)
    return path


def read(path: Path, work: Work | None = None) -> list[list[str]]:
    return [row.cells for row in SpreadsheetTable(path, path.name, work or Work()).rows()]


def test_a_label_of_a_workbook(root: Path) -> None:
    write_book(
        root / "labels.xlsx", [["filename", "label", "split"], ["0000.png", "cat", "train"], ["0001.png", 7, "val"]]
    )
    found = scan_folder(root)
    assert labels(found) == [("images/0000.png", "cat"), ("images/0001.png", "7")]
    assert splits(found) == ["train", "val"]
    assert found.notes[0] == "Sheet: 'Sheet 0'."
    assert found.problems.num_problems == 0


def test_values_of_a_workbook_keep_their_digits(root: Path) -> None:
    rows: list[list[Any]] = [["id", "a", "b"], ["0000", 0.1, 1_700_000_000], ["0001", 1e-7, -3], ["0002", "2,5", 4]]
    write_book(root / "t.xlsx", rows)
    found = scan_folder(root, "values")
    assert values(found) == [[0.1, 1_700_000_000.0], [1e-7, -3.0], [2.5, 4.0]]


def test_numbers_as_ids_keep_their_zeros(root: Path) -> None:
    write_book(root / "t.xlsx", [["id", "label"], [0, "a"], [1, "b"]], A="0000")
    assert labels(scan_folder(root)) == [("images/0000.png", "a"), ("images/0001.png", "b")]


def test_the_first_sheet_with_data_is_read_and_named(root: Path) -> None:
    write_book(
        root / "t.xlsx", [], [["About these pictures"]], [["file", "label"], ["0000.png", "a"]], [["x", "y"]] * 3
    )
    found = scan_folder(root)
    assert labels(found) == [("images/0000.png", "a")]
    assert found.notes[0] == "Sheet: 'Sheet 2'. Sheets that are not read: Sheet 0, Sheet 1, Sheet 3."


def test_cells_are_written_as_they_are_meant(tmp_path: Path) -> None:
    day = datetime.datetime(2026, 1, 5)
    path = write_book(tmp_path / "t.xlsx", [["a"] * 7, [1.0, 2.5, True, day, None, " x ", 10**20], [None] * 7, ["z"]])
    assert read(path)[1:] == [["1", "2.5", "TRUE", "2026-01-05", "", " x ", "1e+20"], [], ["z"] + [""] * 6]


def test_a_formula_counts_with_its_stored_value(root: Path) -> None:
    write_book(root / "t.xlsx", [["file", "label"], ["0000.png", "=1+1"], ["0001.png", "a"]])
    found = scan_folder(root)
    assert labels(found) == [("images/0001.png", "a")]
    assert "label is empty" in found.problems.named[0].message


@pytest.mark.parametrize("as_source", [True, False])
def test_a_workbook_is_no_archive_of_images(tmp_path: Path, as_source: bool) -> None:
    for number in range(2):
        write_image(tmp_path / "in" / f"{number}.png")
    path = write_book(tmp_path / "in" / "t.xlsx", [["file", "label"], ["0.png", "a"], ["1.png", "b"]])
    source = path if as_source else path.parent
    report = check_source(
        Source(source, get_kind("label"), ("image_folders", "csv", "coco"), None, ImportOptions()), tmp_path
    )
    assert (report.source_format, report.class_counts) == ("csv", {"a": 1, "b": 1})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an Excel workbook"),
        (b"PK\x03\x04 and nothing else", "not an Excel workbook"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 100, "protected by a password, or was written in the old format"),
    ],
)
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "t.xlsx"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message):
        read(path)


def test_an_empty_workbook_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is empty"):
        read(write_book(tmp_path / "t.xlsx", [], [["only one row"]]))


@pytest.mark.parametrize("damage", [0.3, 0.5, 0.7, 0.9])
def test_a_damaged_workbook_is_refused(tmp_path: Path, damage: float) -> None:
    path = write_book(tmp_path / "t.xlsx", [["file", "label"], *[[f"{i}.png", "a"] for i in range(500)]])
    content = bytearray(path.read_bytes())
    place = int(len(content) * damage)
    content[place : place + 40] = b"\xff" * 40
    path.write_bytes(content)
    with contextlib.suppress(SourceError):
        assert len(read(path)) > 1


def rewrite(path: Path, part: str, content: bytes) -> Path:
    """Replace a part of a workbook."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, own in (parts | {part: content}).items():
            archive.writestr(name, own)
    return path


SHEET = "xl/worksheets/sheet1.xml"
HEAD = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'


def cells(*rows: bytes, dimension: bytes = b"") -> bytes:
    return HEAD + dimension + b"<sheetData>" + b"".join(rows) + b"</sheetData></worksheet>"


def cell(place: bytes, text: bytes) -> bytes:
    return b'<c r="%s" t="inlineStr"><is><t>%s</t></is></c>' % (place, text)


def test_a_sheet_that_lies_about_its_size_is_read(tmp_path: Path) -> None:
    path = write_book(tmp_path / "t.xlsx", [["a", "b"]])
    lying = b'<dimension ref="A1:XFD1048576"/>'
    rows = [b'<row r="%d">%s%s</row>' % (i, cell(b"A%d" % i, b"x"), cell(b"B%d" % i, b"y")) for i in (1, 2)]
    assert read(rewrite(path, SHEET, cells(*rows, dimension=lying))) == [["x", "y"]] * 2


def test_a_row_far_below_ends_at_the_limit(tmp_path: Path) -> None:
    path = write_book(tmp_path / "t.xlsx", [["a", "b"]])
    far = b'<row r="1">%s</row><row r="999999999">%s</row>' % (cell(b"A1", b"x"), cell(b"A999999999", b"y"))
    with pytest.raises(LimitError, match="more than 1,000 entries"):
        read(rewrite(path, SHEET, cells(far)), Work(ImportLimits(max_entries=1000)))


def test_entities_are_refused(tmp_path: Path) -> None:
    path = write_book(tmp_path / "t.xlsx", [["a", "b"]])
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]>' + cells()
    with pytest.raises(SourceError, match="defines entities"):
        read(rewrite(path, SHEET, bomb))


def test_a_workbook_that_unpacks_to_very_much_is_refused(tmp_path: Path) -> None:
    path = rewrite(write_book(tmp_path / "t.xlsx", [["a", "b"]]), SHEET, cells(b" " * 50_000_000))
    with pytest.raises(LimitError, match=r"unpacks to|MiB is the limit"):
        read(path)
    with pytest.raises(LimitError, match="1 MiB is the limit"):
        read(path, Work(ImportLimits(max_annotation_bytes=2**20)))


def test_the_number_of_rows_is_limited(tmp_path: Path) -> None:
    path = write_book(tmp_path / "t.xlsx", [["a", "b"]] * 20)
    with pytest.raises(LimitError, match="more than 10 entries"):
        read(path, Work(ImportLimits(max_entries=10)))


def test_reading_can_be_ended_at_every_row(tmp_path: Path) -> None:
    told: list[str] = []
    work = Work(on_progress=lambda doing, done, total: told.append(doing), interval_s=0.0)
    read(write_book(tmp_path / "t.xlsx", [["a", "b"]] * 30), work)
    assert sum("Reading the sheet" in doing for doing in told) >= 30


def test_any_bytes_with_the_name_of_a_workbook_are_read_or_refused(tmp_path: Path) -> None:
    whole = write_book(tmp_path / "whole.xlsx", [["file", "label"], ["a.png", "x"]]).read_bytes()
    for place in range(0, len(whole), 97):
        content = io.BytesIO(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]).getvalue()
        path = tmp_path / "t.xlsx"
        path.write_bytes(content)
        with contextlib.suppress(SourceError):
            read(path)


@pytest.mark.parametrize(
    "first",
    [
        [["Project", "Bridge"], ["Author", "Ada"]],
        [["Class", "Meaning"], ["1", "crack"], ["2", "none"]],
        [["Name", "Role"], ["Ada", "chief"]],
    ],
)
def test_a_sheet_about_the_project_does_not_hide_the_table(tmp_path: Path, first: list[list[str]]) -> None:
    path = write_book(tmp_path / "a.xlsx", first, [["Picture", "width"], ["0.png", 1], ["1.png", 2]])
    table = SpreadsheetTable(path, path.name, Work())
    assert [row.cells for row in table.rows()][1] == ["0.png", "1"]
    assert table.notes == ("Sheet: 'Sheet 1'. Sheets that are not read: Sheet 0.",)


def write_sheets(path: Path, **sheets: list[list[Any]]) -> Path:
    """Write a workbook with a sheet for each name."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


HEAD_ROW = ["file", "label"]


@pytest.mark.parametrize(
    "titles", [("train", "test"), ("Train images", "Test images"), ("labels_train", "labels_test")]
)
@pytest.mark.parametrize("second", [HEAD_ROW, ["label", "note", "file"]])
def test_sheets_named_after_subsets_are_one_table_with_a_split(
    root: Path, titles: tuple[str, str], second: list[str]
) -> None:
    train = [["0000.png", "a"], ["0001.png", "b"]]
    test = [[{"file": "0002.png", "label": "a", "note": "x"}[name] for name in second]]
    write_sheets(
        root / "t.xlsx", **{titles[0]: [HEAD_ROW, *train], "About": [["Author", "Ada"]] * 2, titles[1]: [second, *test]}
    )
    found = scan_folder(root)
    assert labels(found) == [("images/0000.png", "a"), ("images/0001.png", "b"), ("images/0002.png", "a")]
    assert splits(found) == ["train", "train", "test"]
    assert found.notes[0] == (
        f"Sheets, read as one table: '{titles[0]}', '{titles[1]}'. Their names make up the split 'original'. "
        "Sheets that are not read: About."
    )
    assert found.problems.num_problems == 0


def test_sheets_of_other_images_are_one_table_without_a_split(root: Path) -> None:
    write_sheets(
        root / "t.xlsx", Monday=[HEAD_ROW, ["0000.png", "a"]], Tuesday=[HEAD_ROW, ["0001.png", "b"], ["x.png", "a"]]
    )
    found = scan_folder(root)
    assert labels(found) == [("images/0000.png", "a"), ("images/0001.png", "b")]
    assert set(splits(found)) == {None}
    assert found.notes[0] == "Sheets, read as one table: 'Monday', 'Tuesday'."
    assert [problem.file for problem in found.problems.named] == ["t.xlsx, sheet 'Tuesday', row 3"]


@pytest.mark.parametrize(
    "other",
    [
        [HEAD_ROW, ["0000.png", "b"], ["0002.png", "a"]],
        [["file", "age"], ["0002.png", 5]],
        [["0002.png", "a"], ["x.png", "a"]],
    ],
)
def test_sheets_of_the_same_images_or_with_other_columns_are_not_joined(root: Path, other: list[list[Any]]) -> None:
    write_sheets(root / "t.xlsx", New=[HEAD_ROW, ["0000.png", "a"], ["0001.png", "b"]], Old=other)
    found = scan_folder(root)
    assert labels(found) == [("images/0000.png", "a"), ("images/0001.png", "b")]
    assert found.notes[0] == "Sheet: 'New'. Sheets that are not read: Old."


def test_a_column_of_the_subset_counts_more_than_the_names_of_the_sheets(root: Path) -> None:
    head = [*HEAD_ROW, "split"]
    write_sheets(root / "t.xlsx", train=[head, ["0000.png", "a", "val"]], test=[head, ["0001.png", "b", "train"]])
    assert splits(scan_folder(root)) == ["val", "train"]


def test_sheets_without_a_header_are_joined(root: Path) -> None:
    write_sheets(root / "t.xlsx", a=[["0000.png", "x"], ["0001.png", "y"]], b=[["0002.png", "x"], ["9.png", "y"]])
    assert labels(scan_folder(root)) == [("images/0000.png", "x"), ("images/0001.png", "y"), ("images/0002.png", "x")]


def test_values_of_two_sheets(root: Path) -> None:
    head = ["file", "age", "note"]
    write_sheets(root / "t.xlsx", train=[["Ages"], head, ["0000.png", 1]], val=[["Ages"], head, ["0001.png", 2.5, "x"]])
    found = scan_folder(root, "values")
    assert (values(found), splits(found)) == ([[1.0], [2.5]], ["train", "val"])
