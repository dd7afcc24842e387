"""Sheets of a workbook whose columns differ: those with the columns in use are joined, and the others explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.annotations.registry import get_kind
from app.datasets.formats.report.check import check_source
from app.datasets.formats.source import Source
from tests.datasets.formats.scanned import labels, scan_folder, splits, values, write_files
from tests.datasets.formats.tables.test_spreadsheet import write_sheets
from tests.datasets.pictures import write_image

FILE, LABEL, NOTE = "file", "label", "note"
CELLS = {LABEL: "a", NOTE: "blurred", "age": 3, "height": 4, "split": "val", "": ""}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_files(tmp_path / "in", *(f"images/000{number}.png" for number in range(3)))


def sheet(head: list[str], *names: str) -> list[list[Any]]:
    return [head, *([name if column == FILE else CELLS[column] for column in head] for name in names)]


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ([FILE, LABEL, NOTE], [FILE, LABEL]),
        ([FILE, LABEL], [FILE, LABEL, NOTE]),
        ([NOTE, FILE, LABEL], ["label", "file", "age"]),
        ([FILE, NOTE, LABEL, "age"], [FILE, LABEL, "height"]),
    ],
)
@pytest.mark.parametrize("titles", [("train", "test"), ("test", "train")])
def test_sheets_of_subsets_need_only_the_columns_in_use(
    root: Path, train: list[str], test: list[str], titles: tuple[str, str]
) -> None:
    first, second = sheet(train, "0000.png", "0001.png"), sheet(test, "0002.png")
    write_sheets(root / "t.xlsx", **{titles[0]: first, titles[1]: second})
    found = scan_folder(root)
    assert labels(found) == [(f"images/000{number}.png", "a") for number in range(3)]
    assert splits(found) == [titles[0], titles[0], titles[1]]
    assert found.problems.num_problems == 0
    assert found.notes[0].endswith("Their names make up the split 'original'.")
    assert not [note for note in found.notes if "'split'" in note or "Subset: column" in note]


def test_three_sheets_of_which_one_has_no_more_than_it_needs(root: Path) -> None:
    head = [FILE, LABEL, NOTE]
    write_sheets(
        root / "t.xlsx",
        train=sheet(head, "0000.png"),
        val=sheet(head, "0001.png"),
        test=sheet([FILE, LABEL], "0002.png"),
    )
    assert splits(scan_folder(root)) == ["train", "val", "test"]


def test_values_of_sheets_with_different_remarks(root: Path) -> None:
    write_sheets(
        root / "t.xlsx", train=sheet([FILE, "age", NOTE], "0000.png"), test=sheet([FILE, "age"], "0001.png", "0002.png")
    )
    found = scan_folder(root, "values")
    assert (values(found), splits(found)) == ([[3.0]] * 3, ["train", "test", "test"])


def test_no_split_of_the_names_of_sheets_where_the_user_wants_none(root: Path) -> None:
    write_sheets(root / "t.xlsx", train=sheet([FILE, LABEL], "0000.png"), test=sheet([FILE, LABEL], "0001.png"))
    found = scan_folder(root, split_column="")
    assert set(splits(found)) == {None}
    assert found.notes[0] == "Sheets, read as one table: 'train', 'test'."


@pytest.mark.parametrize(
    ("kind", "head", "other", "missing"),
    [
        ("label", [FILE, LABEL, NOTE], [FILE, NOTE], LABEL),
        ("label", [FILE, LABEL, "split"], [FILE, LABEL], "split"),
        ("values", [FILE, "age", "height"], [FILE, "age"], "height"),
    ],
)
def test_a_sheet_without_a_column_in_use_is_explained(
    tmp_path: Path, kind: str, head: list[str], other: list[str], missing: str
) -> None:
    for number in range(4):
        write_image(tmp_path / "in" / f"000{number}.png", seed=number)
    write_sheets(
        tmp_path / "in" / "t.xlsx", train=sheet(head, "0000.png", "0001.png"), test=sheet(other, "0002.png", "0003.png")
    )
    report = check_source(Source(tmp_path / "in", get_kind(kind), ["csv"]))
    assert f"Sheet 'test' is not read, because it has no column '{missing}'." in report.notes
    (group,) = [group for group in report.groups if group.kind == "not_in_table"]
    assert group.examples[0].message.startswith(
        f"2 images are not named by the sheet 'train' of t.xlsx (the sheet 'test' is not read, because it has no "
        f"column '{missing}'): "
    )
    assert group.examples[0].fix == "Add the column there, or remove them."


def test_images_that_no_sheet_names_are_to_be_added_to_one_that_is_read(tmp_path: Path) -> None:
    for number in range(3):
        write_image(tmp_path / "in" / f"000{number}.png", seed=number)
    rows = sheet([FILE, LABEL], "0000.png", "0001.png")
    write_sheets(tmp_path / "in" / "t.xlsx", New=rows, Old=rows)
    report = check_source(Source(tmp_path / "in", get_kind("label"), ["csv"]))
    (group,) = [group for group in report.groups if group.kind == "not_in_table"]
    assert group.examples[0].message.startswith("1 image is not named by the sheet 'New' of t.xlsx: ")
    assert group.examples[0].fix == "Add it to a sheet that is read, or remove it."
