"""Columns without a use are named with the reason: empty ones, formulas without results, notes of Label Studio."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from tests.datasets.formats.scanned import labels, scan_folder, scan_table, values, write_files


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_files(tmp_path / "in", *(f"{number}.png" for number in range(3)))


def unused(notes: tuple[str, ...]) -> str:
    (note,) = [note for note in notes if note.startswith("Columns that are not used")]
    return note


@pytest.mark.parametrize(
    ("header", "cells", "reason"),
    [
        ("file,age,weight", "{0},{1},", "'weight' (empty)"),
        ("weight,file,age", ",{0},{1}", "'weight' (empty)"),
        ("file,age,a,weight", "{0},{1},,", "'a' (empty), 'weight' (empty)"),
        ("file,age,word,weight", "{0},{1},x,", "'word', 'weight' (empty)"),
    ],
)
def test_empty_columns_are_named(root: Path, header: str, cells: str, reason: str) -> None:
    rows = [cells.format(f"{number}.png", 3 * number) for number in range(3)]
    found = scan_table(root, "\n".join([header, *rows]), "values")
    assert found.value_names == ("age",)
    assert unused(found.notes) == f"Columns that are not used: {reason}."


def test_a_column_that_is_empty_at_first_is_named_so(tmp_path: Path) -> None:
    root = write_files(tmp_path / "in", *(f"{number}.png" for number in range(60)))
    rows = [f"{number}.png,{number % 7},{number if number > 55 else ''}" for number in range(60)]
    found = scan_table(root, "\n".join(["file,age,weight", *rows]), "values")
    assert unused(found.notes) == "Columns that are not used: 'weight' (empty in the first rows)."


@pytest.mark.parametrize("has_formulas", [True, False])
def test_formulas_without_results_are_named(root: Path, has_formulas: bool) -> None:
    book = openpyxl.Workbook()
    book.active.append(["file", "age", "double"])
    for number in range(3):
        book.active.append([f"{number}.png", 3 * number, f"=2*B{number + 2}" if has_formulas else None])
    book.save(root / "t.xlsx")
    found = scan_folder(root, "values")
    assert values(found) == [[0.0], [3.0], [6.0]]
    assert ("open and save the file in a spreadsheet program" in unused(found.notes)) is has_formulas
    assert "'double' (empty" in unused(found.notes)


HEADER = "annotation_id,annotator,choice,created_at,id,image,lead_time,updated_at"
ROW = "{0},1,{1},2024-01-0{0}T10:00:00Z,{0},/data/upload/1/{0}.png,{2},2024-01-0{0}T10:00:00Z"


def test_notes_of_label_studio_are_no_values(tmp_path: Path) -> None:
    root = write_files(tmp_path / "in", *(f"{number}.png" for number in (1, 2, 3)))
    rows = [ROW.format(number, 10 * number, 1.5 * number) for number in (1, 2, 3)]
    found = scan_table(root, "\n".join([HEADER.replace("choice", "age"), *rows]), "values")
    assert (found.value_names, values(found)) == (("age",), [[10.0], [20.0], [30.0]])
    assert "'lead_time' (written by Label Studio)" in unused(found.notes)
    assert "'annotator' (written by Label Studio)" in unused(found.notes)


def test_notes_of_label_studio_are_no_labels(tmp_path: Path) -> None:
    root = write_files(tmp_path / "in", *(f"{number}.png" for number in (1, 2, 3)))
    rows = [ROW.format(number, "ab"[number % 2], 1.5 * number) for number in (1, 2, 3)]
    found = scan_table(root, "\n".join([HEADER, *rows]))
    assert labels(found) == [("1.png", "b"), ("2.png", "a"), ("3.png", "b")]


def test_a_single_column_called_like_a_note_is_a_value(root: Path) -> None:
    found = scan_table(root, "file,lead_time,age\n0.png,1.5,3\n1.png,2.5,4\n", "values")
    assert found.value_names == ("lead_time", "age")


def test_formulas_without_results_where_the_label_belongs_say_what_to_do(root: Path) -> None:
    book = openpyxl.Workbook()
    for row in [["file", "label"], ["0.png", '="a"'], ["1.png", "b"]]:
        book.active.append(row)
    book.save(root / "t.xlsx")
    found = scan_folder(root)
    assert labels(found) == [("1.png", "b")]
    assert "open and save it in a spreadsheet program" in found.problems.named[0].fix
