"""Which columns count the rows of a table, and which hold values under such a name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.datasets.formats.scanned import says, scan_table, values, write_files

NAMES = ("index", "idx", "row", "nr", "no", "Nr.", "#", "level_0", "rowid", "Unnamed: 0", "Unnamed: 0.1")
FILES = [f"{number}.png" for number in range(4)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_files(tmp_path / "in", *FILES)


def rows(*cells: str, header: str) -> str:
    """Return a table with one row per text, in which @ is the number of the row."""
    return "\n".join([header, *(cell.replace("@", str(number)) for number, cell in enumerate(cells)), ""])


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        ("file,row,col", ["17,5", "3,77", "99,12", "42,31"], ["row", "col"]),
        ("file,row,column", ["0,5", "1,77", "2,12", "3,31"], ["row", "column"]),
        ("file,index,age", ["17,5", "3,77", "99,12", "42,31"], ["index", "age"]),
        ("file,x,no", ["17,5", "3,77", "99,12", "42,31"], ["x", "no"]),
        *((f"file,{name},score", ["1.33,4", "1.45,3", "1.52,9", "1.36,1"], [name, "score"]) for name in NAMES),
        *((f"file,{name},score", ["2,4", "2,3", "5,9", "7,1"], [name, "score"]) for name in NAMES[:-2]),
        *((f"file,{name},score", ["-1,4", "2,3", "5,9", "7,1"], [name, "score"]) for name in NAMES),
    ],
)
def test_values_in_a_column_that_is_called_like_a_counter_are_read(
    root: Path, header: str, cells: list[str], expected: list[str]
) -> None:
    found = scan_table(root, rows(*(f"@.png,{cell}" for cell in cells), header=header), "values")
    assert list(found.value_names) == expected
    assert values(found)[0] == [float(cell) for cell in cells[0].split(",")]


@pytest.mark.parametrize(
    "numbers", ["0123", "1234", "2031", ["1.0", "2.0", "3.0", "4.0"], ["3", "7", "8", "9"], "0120", "1231"]
)
@pytest.mark.parametrize("name", NAMES)
def test_a_column_that_counts_the_rows_is_named_and_not_read(root: Path, name: str, numbers: Sequence[str]) -> None:
    table = rows(*(f"@.png,{number},{7 - place}" for place, number in enumerate(numbers)), header=f"file,{name},age")
    found = scan_table(root, table, "values")
    assert found.value_names == ("age",)
    assert says(found, [f"Columns that are not used: {name!r} (counts the rows)."])


@pytest.mark.parametrize(
    ("name", "step", "is_read"),
    [("index", 1, False), ("row", 1, False), ("Unnamed: 0", 37, False), ("level_0", 5, False), ("nr", 5, True)],
)
def test_a_shuffled_counter_of_a_long_table_is_recognised(tmp_path: Path, name: str, step: int, is_read: bool) -> None:
    root = write_files(tmp_path / "in", *(f"{number}.png" for number in range(60)))
    numbers = [step * ((7 * number) % 60) for number in range(60)]  # 7 and 60 share no factor: each number once
    table = rows(*(f"@.png,{number},{number % 5}" for number in numbers), header=f"file,{name},age")
    found = scan_table(root, table, "values")
    assert found.value_names == ((name, "age") if is_read else ("age",))
    assert len(found.images) == 60


@pytest.mark.parametrize("name", ["Unnamed: 0", "", "Unnamed: 0.1"])
def test_the_counters_of_joined_and_shuffled_tables_are_recognised(root: Path, name: str) -> None:
    table = rows("@.png,2,7", "@.png,0,5", "@.png,2,9", "@.png,1,5", header=f"file,{name},age")
    assert scan_table(root, table, "values").value_names == ("age",)


def test_a_column_called_no_can_be_a_class(root: Path) -> None:
    found = scan_table(root, rows("@.png,1,0", "@.png,0,1", "@.png,1,0", "@.png,0,1", header="file,yes,no"))
    assert (found.classes, found.problems.num_problems) == (("yes", "no"), 0)


def test_numbers_that_repeat_late_in_a_long_table_are_values(tmp_path: Path) -> None:
    root = write_files(tmp_path / "in", *(f"{number}.png" for number in range(60)))
    table = rows(*(f"@.png,{7 * number % 55},1{number}" for number in range(60)), header="file,index,age")
    assert scan_table(root, table, "values").value_names == ("index", "age")


@pytest.mark.parametrize("names", [("Unnamed: 0.1", "Unnamed: 0"), ("Unnamed: 0.1.1", "Unnamed: 0.1"), ("", "index")])
def test_two_counters_are_passed_over(root: Path, names: tuple[str, str]) -> None:
    table = rows("@,@,@.png,7", "@,@,@.png,5", "@,@,@.png,9", header=f"{names[0]},{names[1]},file,age")
    found = scan_table(root, table, "values")
    assert (found.value_names, values(found)) == (("age",), [[7.0], [5.0], [9.0]])
