"""Tables: encodings, delimiters, headers, columns, and every row that cannot be used."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.annotations.label import Label
from app.annotations.registry import get_kind
from app.annotations.values import Value
from app.datasets.formats.base import Scan, SourceError
from app.datasets.formats.csv_table import FORMAT
from app.datasets.formats.tables.values import RowError, parse_number
from app.datasets.formats.work import Work
from app.schemas.datasets import ImportOptions
from app.schemas.payloads import ImportLimits
from tests.datasets.pictures import write_image


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for i in range(4):
        write_image(tmp_path / "in" / f"{i}.png")
    return (tmp_path / "in").resolve()


def scan(root: Path, text: str | bytes, kind: str = "label", **options: Any) -> Scan:
    (root / "t.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return FORMAT.scan(root, get_kind(kind), ImportOptions(**options), Work())


def labels(found: Scan) -> list[tuple[str, str]]:
    return [(image.name, a.class_name) for image in found.images for a in image.annotations if isinstance(a, Label)]


def values(found: Scan) -> list[list[float]]:
    return [a.values for image in found.images for a in image.annotations if isinstance(a, Value)]


def test_file_name_and_label(root: Path) -> None:
    found = scan(root, "filename,label\n0.png,dog\n1.png,cat\n")
    assert labels(found) == [("0.png", "dog"), ("1.png", "cat")]
    assert (found.classes, found.problems.num_problems) == (("cat", "dog"), 0)


@pytest.mark.parametrize("offset", ["1700000000", "100000000", "-1e12"])
def test_a_large_offset_loses_no_digit(root: Path, offset: str) -> None:
    found = scan(root, f"filename,value\n0.png,{offset}\n1.png,{float(offset) + 1.5!r}\n", "values")
    assert [row[0] - float(offset) for row in values(found)] == [0.0, 1.5]
    assert found.problems.num_problems == 0


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ("1e20", "100000000000000065536", "little is left of their differences"),
        ("1700000000000000000", "1700000000000001000", "little is left of their differences"),
        ("7", "7.0", "nothing to learn"),
    ],
)
def test_numbers_that_cannot_be_learned_are_named(root: Path, first: str, second: str, reason: str) -> None:
    found = scan(root, f"filename,age\n0.png,{first}\n1.png,{second}\n", "values")
    assert len(values(found)) == 2
    [problem] = found.problems.named
    assert (problem.severity, problem.file) == ("warning", "t.csv")
    assert "'age'" in problem.message
    assert reason in problem.message


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_encoding_and_delimiter_are_found_and_stated(root: Path, encoding: str, delimiter: str) -> None:
    text = f"filename{delimiter}label\n0.png{delimiter}Käfer\n1.png{delimiter}Hund\n"
    found = scan(root, text.encode(encoding))
    assert labels(found) == [("0.png", "Käfer"), ("1.png", "Hund")]
    assert f"Encoding: {encoding}" in found.notes[0]


def test_latin_1_is_the_last_resort(root: Path) -> None:
    found = scan(root, b"filename,label\n0.png,a\x81\xa7\xb0\n1.png,b\n")
    assert "latin-1" in found.notes[0]


def test_a_table_without_a_header(root: Path) -> None:
    found = scan(root, "0.png,dog\n1.png,cat\n")
    assert labels(found) == [("0.png", "dog"), ("1.png", "cat")]
    assert any("no header" in note for note in found.notes)


@pytest.mark.parametrize("header", ["Image_Name,x,Class", "path,comment,category", "weight,file,TARGET"])
def test_columns_are_found_by_name(root: Path, header: str) -> None:
    names = [name.casefold() for name in header.split(",")]
    row = ["7", "7", "7"]
    row[next(i for i, name in enumerate(names) if name in {"image_name", "path", "file"})] = "0.png"
    row[next(i for i, name in enumerate(names) if name in {"class", "category", "target"})] = "dog"
    assert labels(scan(root, f"{header}\n{','.join(row)}\n")) == [("0.png", "dog")]


def test_columns_are_chosen_by_options(root: Path) -> None:
    found = scan(root, "pic,kind,label\n0.png,dog,x\n", filename_column="pic", target_columns=["kind"])
    assert labels(found) == [("0.png", "dog")]


@pytest.mark.parametrize(
    ("text", "options", "missing"),
    [
        ("a,b,c\nx,1,2\n", {}, "filename"),
        ("filename,b,c\n0.png,1,2\n", {}, "label"),
        ("a,b,c\n0.png,1,2\n", {}, "label"),
        ("filename,label\n0.png,x\n", {"filename_column": "pic"}, "pic"),
        ("filename,label\n0.png,x\n", {"target_columns": ["kind"]}, "kind"),
    ],
)
def test_a_missing_column_lists_those_that_are_there(
    root: Path, text: str, options: dict[str, Any], missing: str
) -> None:
    columns = text.partition("\n")[0].replace(",", ", ")
    with pytest.raises(SourceError, match=f"no column '{missing}'. Its columns are: {columns}") as refusal:
        scan(root, text, **options)
    assert refusal.value.fix == "Choose the column with the file names and the column with the labels."


def test_several_values(root: Path) -> None:
    found = scan(root, "filename,value_1,value_0\n0.png,1,2\n1.png,3e-1,-.5\n", "values")
    assert values(found) == [[2.0, 1.0], [-0.5, 0.3]]
    assert found.value_names == ("value_0", "value_1")


def test_values_of_chosen_columns_keep_their_names(root: Path) -> None:
    found = scan(root, "filename,w,h\n0.png,1,2\n", "values", target_columns=["h", "w"])
    assert (values(found), found.value_names) == ([[2.0, 1.0]], ("h", "w"))


def test_decimal_commas_are_understood_and_stated(root: Path) -> None:
    found = scan(root, "filename;value\n0.png;1,5\n1.png;-2,25\n", "values")
    assert values(found) == [[1.5], [-2.25]]
    assert any("Decimal commas" in note for note in found.notes)


def test_decimal_commas_without_a_header(root: Path) -> None:
    assert values(scan(root, "0.png;1,5\n1.png;2,5\n", "values")) == [[1.5], [2.5]]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "empty"),
        ("abc", "not a number"),
        ("NaN", "not a finite number"),
        ("-Infinity", "not a finite number"),
        ("1e999", "too large"),
        ("9" * 5000, "5,000 characters"),
        ("1_000", "not a number"),
        ("٣", "not a number"),
        ("0x10", "not a number"),
        ("1.5 kg", "not a number"),
    ],
)
def test_values_that_are_no_numbers_are_named_with_their_row(root: Path, cell: str, message: str) -> None:
    found = scan(root, f"filename,value\n0.png,1\n1.png,{cell}\n2.png,3\n", "values")
    (problem,) = found.problems.named
    assert values(found) == [[1.0], [3.0]]
    assert (problem.file, message in problem.message, bool(problem.fix)) == ("t.csv, row 3", True, True)
    assert len(problem.message) < 200


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("9.png,dog", "does not exist"),
        ("0.png,", "label is empty"),
        (",dog", "file name is empty"),
        ("0.png", "fewer than the columns"),
        ("../secret.png,dog", "with '..'"),
        ("/etc/passwd,dog", "absolute"),
        ("C:\\a.png,dog", "absolute"),
        ("link.png,dog", "leads out of the imported folder"),
        (f"0.png,{'x' * 300}", "not a usable class name"),
        (f"{'y' * 5000}.png,dog", "does not exist"),
    ],
)
def test_rows_that_cannot_be_used_are_named(root: Path, row: str, message: str) -> None:
    write_image(root.parent / "secret.png")
    (root / "link.png").symlink_to(root.parent / "secret.png")
    found = scan(root, f"filename,label\n1.png,cat\n{row}\n")
    (problem,) = found.problems.named
    assert labels(found) == [("1.png", "cat")]
    assert (problem.file, problem.severity, message in problem.message) == ("t.csv, row 3", "error", True)


def test_repeated_rows_are_warned_of_and_contradicting_ones_are_errors(root: Path) -> None:
    found = scan(root, "filename,label\n0.png,a\n0.png,a\n./0.png,b\n")
    assert labels(found) == [("0.png", "a")]
    assert [(item.file, item.severity) for item in found.problems.named] == [
        ("t.csv, row 4", "error"),
        ("t.csv, row 3", "warning"),
    ]
    message = "The image '0.png' was in row 2 already, with the class 'a' and not 'b'. Row 2 is used."
    assert found.problems.named[0].message.replace("./", "") == message


def test_blank_lines_and_quoted_line_feeds_keep_the_count_of_rows(root: Path) -> None:
    found = scan(root, 'filename,label\n\n0.png,"a, b"\n9.png,c\n')
    assert labels(found) == [("0.png", "a, b")]
    assert found.problems.named[0].file == "t.csv, row 4"


def test_images_may_lie_in_a_folder_beside_the_table(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.png")
    assert labels(scan(tmp_path.resolve(), "filename,label\na.png,x\n")) == [("images/a.png", "x")]


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "is empty"), (b"\n\n", "is empty"), (b"\xff\xfe\x00", "cannot be read")]
)
def test_a_table_that_says_nothing_is_refused(root: Path, content: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        scan(root, content)


def test_a_cell_without_end_is_refused(root: Path) -> None:
    found = scan(root, 'filename,label\n0.png,a\n1.png,"' + "x" * 200_000)
    assert labels(found) == [("0.png", "a")]
    assert "longer than 100,000 characters" in found.problems.named[0].message


def test_several_tables_need_a_choice(root: Path) -> None:
    (root / "b.csv").write_text("filename,label\n1.png,b\n")
    with pytest.raises(SourceError, match=r"Several files.*b\.csv, t\.csv") as refusal:
        scan(root, "filename,label\n0.png,a\n")
    assert "annotation_file" in refusal.value.fix
    assert labels(scan(root, "", annotation_file="b.csv")) == [("1.png", "b")]


def test_the_number_of_rows_is_limited(root: Path) -> None:
    (root / "t.csv").write_text("filename,label\n" + "0.png,a\n" * 5)
    with pytest.raises(SourceError, match="more than 3 entries"):
        FORMAT.scan(root, get_kind("label"), ImportOptions(), Work(ImportLimits(max_entries=3)))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_read_back_exactly(number: float) -> None:
    assert parse_number(repr(number)) == number


@given(st.text(max_size=30) | st.from_regex(r"[-+0-9.eE_,]{1,12}", fullmatch=True))
def test_any_text_is_a_finite_number_or_refused(text: str) -> None:
    try:
        number = parse_number(text)
    except RowError:
        return
    assert math.isfinite(number)
    assert number == float(text)


@given(content=st.binary(max_size=300) | st.text(st.sampled_from('a0.png,;\t|"\n'), max_size=80).map(str.encode))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    root = tmp_path_factory.mktemp("any").resolve()
    try:
        found = scan(root, content)
    except SourceError:
        return
    assert found.images == []
