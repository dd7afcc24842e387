"""What the columns of a table mean: index columns, headers, labels, values, and what a user may choose from."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from app.datasets.formats.base import ChoiceError, SourceError
from tests.datasets.formats.scanned import kinds, labels, says, scan_table, splits, values, write_files

FILES = [f"{number}.png" for number in range(4)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_files(tmp_path / "in", *FILES)


def rows(*cells: str, header: str = "", start: int = 0) -> str:
    """Return a table with one row per text, in which # is the number of the row."""
    lines = [cell.replace("#", str(number)) for number, cell in enumerate(cells, start=start)]
    return "\n".join([*([header] if header else []), *lines, ""])


@pytest.mark.parametrize(
    "text",
    [
        rows("#,#.png,cat", "#,#.png,dog", header=",filename,breed"),
        rows("#,#.png,cat", "#,#.png,dog", header="Unnamed: 0,filename,breed"),
        rows("#,#.png,cat", "#,#.png,dog", header="index,file,breed"),
        rows("#.png,cat,", "#.png,dog,", header="filename,breed,"),
        rows("#.png,cat,,", "#.png,dog,,", header="filename,breed,,"),
        rows('"1","#.png","cat"', '"2","#.png","dog"', header='"filename","breed"'),  # R leaves out the first name
        rows("#,#.png,cat", "#,#.png,dog", header="id,image,breed"),
        rows("cat,#.png", "dog,#.png", header="breed,filename"),
        rows("#.png,cat", "#.png,dog"),
        rows("cat,#.png", "dog,#.png"),
        rows("#,#.png,cat", "#,#.png,dog"),
        rows("#,cat", "#,dog", header="id,breed"),
        rows("0.png\tcat", "1.png\tdog", header="name\tbreed"),
        rows("#.png,cat,3.5", "#.png,dog,2.5", "#.png,cat,1.5", header="filename,breed,weight").replace(
            "2.png,cat,1.5\n", ""
        ),
        "# made by a script\n# 2026\nfilename,breed\n0.png,cat\n1.png,dog\n",
        "# filename,breed\n0.png,cat\n1.png,dog\n",
        "\n\nfilename,breed\n\n0.png,cat\n,\n1.png,dog\n\n",
        'filename, breed\n"0.png", "cat"\n1.png,  dog \n',
        "sep=,\r\nfilename,breed\r\n0.png,cat\r\n1.png,dog\r\n",
        "sep=;\nfilename;breed\n0.png;cat\n1.png;dog\n",
        '"sep=|"\nfilename|breed\n0.png|cat\n1.png|dog\n',
        "0.png cat\n1.png dog\n",
        "filename breed\n0.png cat\n1.png dog\n",
        "filename  breed  size\n0.png cat 3.5\n1.png dog 2.5\n",
        "filename,breed\n0.png,cat\n1.png,dog\n# 2 rows\n#,made by a script\n",
        rows("00000#,cat", "00000#,dog", header="id_code,breed").replace("00000", ""),
        "Pictures of pets\nfilename,breed\n0.png,cat\n1.png,dog\n",
        "Pets;\n;\nMade in May;\nfilename;breed\n0.png;cat\n1.png;dog\n",
    ],
)
def test_a_label_is_found(root: Path, text: str) -> None:
    weight = "weight" in text
    if weight:  # the only column of words, with repeats
        text = text.replace("1.png,dog,2.5", "1.png,dog,2.5\n2.png,dog,9")
    found = scan_table(root, text)
    expected = [("0.png", "cat"), ("1.png", "dog"), *([("2.png", "dog")] if weight else [])]
    assert labels(found) == expected
    assert found.problems.num_problems == 0


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("filename,x,y", "#.png,2,#", (["x", "y"], [2, 0])),
        ("filename,age,score", "#.png,2,#", (["age", "score"], [2, 0])),
        ("y,filename,x", "#,#.png,2", (["y", "x"], [0, 2])),
        (",filename,a,b", "#,#.png,2,#", (["a", "b"], [2, 0])),
        ("image_id,filename,a,b", "9#,#.png,2,#", (["a", "b"], [2, 0])),
        ("filename,a,name", "#.png,2,left", (["a"], [2])),
        ("filename,value", "#.png,2", (["value"], [2])),
        ("filename,größe in %,a b", "#.png,2,#", (["größe in %", "a b"], [2, 0])),
        ("filename,x,x", "#.png,2,#", (["x", "x (column 3)"], [2, 0])),
        ("", "#.png,2,#", (["value_0", "value_1"], [2, 0])),
        ("", "#,#.png,5", (["value"], [5])),
    ],
)
def test_all_columns_of_numbers_are_values(
    root: Path, header: str, row: str, expected: tuple[list[str], list[float]]
) -> None:
    found = scan_table(root, rows(row, row.replace("2", "3"), header=header), "values")
    assert (list(found.value_names), values(found)[0]) == expected
    assert len(found.images) == 2


def test_columns_of_words_and_units_are_left_out_and_named(root: Path) -> None:
    table = rows("#.png,1,a,180 cm,45%", "#.png,2,b,170 cm,50%", header="filename,age,note,height,share")
    found = scan_table(root, table, "values")
    assert found.value_names == ("age",)
    assert says(found, ["not used: 'note', 'height', 'share'", "'height' holds numbers with units", "'share' holds"])


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("1,234.5", "thousands separators"),
        ("45%", "percent sign"),
        ("12 kg", "has a unit"),
        ("1,234,567", "thousands"),
        ("1 20,5", "do not group them by three"),
    ],
)
def test_numbers_written_for_people_are_named(root: Path, cell: str, reason: str) -> None:
    found = scan_table(root, f'filename,value\n0.png,"{cell}"\n1.png,2\n', "values")
    assert kinds(found) == [("error", "bad_value", 1)]
    assert reason in found.problems.named[0].message


def test_a_decimal_comma_between_commas_is_a_row_that_is_too_long(root: Path) -> None:
    found = scan_table(root, "filename,value\n0.png,1,5\n1.png,2\n2.png,3\n", "values")
    assert values(found) == [[2.0], [3.0]]
    assert kinds(found) == [("error", "bad_row", 1)]
    assert "3 cells; the table has 2" in found.problems.named[0].message


@pytest.mark.parametrize(
    ("numbers", "kind", "told"),
    [
        (["1e39", "2", "-1e300"], "too_large", "2 numbers in 'value' are larger than 1e+30"),
        (["1e31", "2", "3"], "too_large", "1 number in 'value' is larger than 1e+30"),
        (["1", "2", "-2e30"], "too_large", "1 number in 'value' is larger than 1e+30"),
        (["1e12", *"12345678"], "far_away", "0.png has 1e+12 in 'value'"),
        ([*"12345678", "-9999999"], "far_away", "8.png has -1e+07 in 'value'"),
        ([*"1234", "4e6", *"5678"], "far_away", "half of the images are between"),
    ],
)
def test_numbers_that_training_suffers_from_are_warned_of(root: Path, numbers: list[str], kind: str, told: str) -> None:
    write_files(root, *(f"{number}.png" for number in range(len(FILES), len(numbers))))
    cells = [f"#.png,{number}" for number in numbers]
    found = scan_table(root, rows(*cells, header="filename,value"), "values")
    assert len(found.images) == len(numbers)
    assert kinds(found) == [("warning", kind, 0)]
    assert told in found.problems.named[0].message


@pytest.mark.parametrize("numbers", [["1", "2", "3", "100"], ["1e29", "2e29", "3e29"], ["0.001", "0.5", "7", "12"]])
def test_ordinary_numbers_get_no_warning(root: Path, numbers: list[str]) -> None:
    found = scan_table(root, rows(*(f"#.png,{number}" for number in numbers), header="filename,value"), "values")
    assert kinds(found) == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"target_columns": ["größe in %"]}, "b"),
        ({"target_columns": ["Größe in %"]}, "b"),
        ({"target_columns": [" a b "]}, "a"),
        ({"target_columns": ["kind"]}, "c"),
        ({"target_columns": ["kind (column 5)"]}, "d"),
        ({"filename_column": "a file", "target_columns": ["kind"]}, "c"),
        ({"target_columns": ["column 6"]}, "e"),
    ],
)
def test_any_column_can_be_chosen(root: Path, options: dict[str, Any], expected: str) -> None:
    found = scan_table(root, "a file,a b,größe in %,kind,kind,\n0.png,a,b,c,d,e\n", **options)
    assert labels(found) == [("0.png", expected)]


def test_columns_without_a_header_are_chosen_by_number(root: Path) -> None:
    found = scan_table(root, "0.png,a,b\n1.png,c,d\n", target_columns=["column 3"])
    assert labels(found) == [("0.png", "b"), ("1.png", "d")]


@pytest.mark.parametrize(
    "options", [{"target_columns": ["kind"]}, {"filename_column": "kind"}, {"split_column": "kind"}]
)
def test_a_column_that_is_not_there_is_named_with_those_that_are(root: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ChoiceError, match=r"no column 'kind'\. Its columns are: filename, a b, c%") as refusal:
        scan_table(root, "filename,a b,c%\n0.png,1,2\n", **options)
    assert [(column.name, column.samples) for column in refusal.value.columns] == [
        ("filename", ["0.png"]),
        ("a b", ["1"]),
        ("c%", ["2"]),
    ]


def test_columns_come_with_their_first_cells_and_roles(root: Path) -> None:
    table = rows("#.png,a,train,x", "#.png,b,val,", "#.png,b,val,y", "#.png,b,val,z", header="file,label,split,note")
    found = scan_table(root, table)
    assert [(column.name, column.role, column.samples) for column in found.columns] == [
        ("file", "filename", ["0.png", "1.png", "2.png"]),
        ("label", "target", ["a", "b", "b"]),
        ("split", "subset", ["train", "val", "val"]),
        ("note", "unused", ["x", "y", "z"]),
    ]


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        ("filename,label,split", ["train", "val", "test"], ["train", "val", "test"]),
        ("filename,label,subset", ["Training", "Validation", "Testing"], ["train", "val", "test"]),
        ("filename,label,set", ["train", "dev", "test"], ["train", "val", "test"]),
        ("filename,label,Data Split", ["train", "valid", "test"], ["train", "val", "test"]),
        ("filename,label,is_valid", ["False", "True", "False"], ["train", "val", "train"]),
        ("filename,label,is_test", ["0", "1", "0"], ["train", "test", "train"]),
        ("filename,label,is_train", ["1", "0", "1"], ["train", "test", "train"]),
        ("filename,label,is_training_image", ["yes", "no", "yes"], ["train", "test", "train"]),
        ("filename,label,split", ["train_val", "Train+Val", "test"], ["train", "train", "test"]),
        ("filename,label,when", ["train", "val", "test"], ["train", "val", "test"]),
    ],
)
def test_a_subset_column_becomes_the_split(root: Path, header: str, cells: list[str], expected: list[str]) -> None:
    found = scan_table(root, rows(*(f"#.png,a,{cell}" for cell in cells), header=header))
    assert splits(found) == expected
    assert says(found, ["which is the split 'original'"])


@pytest.mark.parametrize(
    ("column", "cells", "told"),
    [
        ("fold", ["0", "1", "2"], "not used: 'fold'"),
        ("split", ["train", "train", "train"], "Every image is in the subset train"),
        ("usage", ["Public", "Private", "Public"], "not used: 'usage'"),
    ],
)
def test_a_column_that_divides_nothing_is_no_split(root: Path, column: str, cells: list[str], told: str) -> None:
    found = scan_table(root, rows(*(f"#.png,a,{cell}" for cell in cells), header=f"filename,label,{column}"))
    assert splits(found) == [None] * 3
    assert says(found, [told])


def test_unknown_subsets_are_named_and_their_images_kept(root: Path) -> None:
    cells = ["train", "val", "later", ""]
    found = scan_table(root, rows(*(f"#.png,a,{cell}" for cell in cells), header="filename,label,split"))
    assert splits(found) == ["train", "val", None, None]
    assert kinds(found) == [("warning", "unknown_subset", 0)]
    assert says(found, ["'later' is not the name of a subset", "The subset is empty"])


@pytest.mark.parametrize(
    ("chosen", "expected"), [("", [None, None]), ("b", ["val", "train"]), (None, ["train", "val"])]
)
def test_the_subset_column_can_be_chosen_or_left_out(
    root: Path, chosen: str | None, expected: list[str | None]
) -> None:
    table = "filename,label,split,b\n0.png,x,train,val\n1.png,y,val,train\n"
    assert splits(scan_table(root, table, split_column=chosen)) == expected


def test_a_fold_is_no_value(root: Path) -> None:
    found = scan_table(root, rows("#.png,7,0", "#.png,8,1", header="filename,age,fold"), "values")
    assert found.value_names == ("age",)


@pytest.mark.parametrize(
    "cells",
    [
        ["1,0,0", "0,1,0", "0,0,1"],
        ["1.0,0.0,0.0", "0.0,1.0,0.0", "0.0,0.0,1.0"],
        ["True,False,False", "False,True,False", "False,False,True"],
        [" 1, 0, 0", " 0, 1, 0", " 0, 0, 1"],
        ["1,,", ",1,", ",,1"],
    ],
)
def test_one_column_per_class(root: Path, cells: list[str]) -> None:
    table = rows(*(f"#.png,{cell}" for cell in cells), "#.png,1,1,0", header="filename, circle, big square,y")
    found = scan_table(root, table)
    assert labels(found) == [("0.png", "circle"), ("1.png", "big square"), ("2.png", "y")]
    assert kinds(found) == [("error", "one_hot_row", 1)]
    assert found.problems.covered == {root / "3.png"}


def test_a_class_column_without_an_image_stays_a_class(root: Path) -> None:
    found = scan_table(root, rows("#.png,1,0,0", "#.png,0,1,0", header="filename,a,b,c"))
    assert found.classes == ("a", "b", "c")


@pytest.mark.parametrize("row", ["2.png,1,1,0", "2.png,0,0,0", "2.png,1,0,1", "2.png,,,"])
def test_rows_that_are_not_one_class_are_named_and_left_out(root: Path, row: str) -> None:
    found = scan_table(root, f"filename,a,b,c\n0.png,1,0,0\n1.png,0,1,0\n{row}\n")
    assert kinds(found) == [("error", "one_hot_row", 1)]
    assert found.problems.named[0].file == "t.csv, row 4"


def test_a_label_column_beside_columns_of_zeros_and_ones_is_the_label(root: Path) -> None:
    found = scan_table(root, rows("#.png,x,1,0", "#.png,y,0,1", header="filename,label,blurred,dark"))
    assert labels(found) == [("0.png", "x"), ("1.png", "y")]


def test_numbers_are_classes_too(root: Path) -> None:
    found = scan_table(root, rows("#.png,10", "#.png,9", header="filename,label"))
    assert found.classes == ("9", "10")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("wanted", ["NFC", "NFD"])
@pytest.mark.parametrize("name", ["Höhe", "größe [mm]", "évaluation"])
def test_a_column_is_found_in_any_unicode_form(root: Path, name: str, form: Any, wanted: Any) -> None:
    table = rows("#.png,1.5,7", "#.png,2.5,8", header=f"filename,{unicodedata.normalize(form, name)},other")
    found = scan_table(root, table, "values", target_columns=[unicodedata.normalize(wanted, name)])
    assert (found.value_names, values(found)) == ((name,), [[1.5], [2.5]])


@pytest.mark.parametrize(
    "cells",
    [["#.png,1,0,1", "#.png,1,1,1"], ["#.png,0,0,0", "#.png,1,1,1"], ["#.png,x,x,", "#.png,,,", "#.png,x,x,x"]],
)
def test_several_classes_in_a_row_of_ones_are_named(root: Path, cells: list[str]) -> None:
    with pytest.raises(ChoiceError, match="sunny, windy, cold hold 0 and 1") as refusal:
        scan_table(root, rows(*cells, header="filename,sunny,windy,cold"))
    assert len(refusal.value.columns) == 4


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (["0,5", "1,5"], [[0.5], [1.5]]),
        (["1,234", "0,5"], [[1.234], [0.5]]),
        (["-3,25", "4"], [[-3.25], [4.0]]),
        (["1,234", "5,678"], []),
        (["1,234,567", "0,5"], []),
        (["1,234.5", "0,5"], []),
    ],
)
def test_quoted_decimal_commas_are_read_where_they_are_clear(
    root: Path, numbers: list[str], expected: list[list[float]]
) -> None:
    found = scan_table(root, rows(*(f'#.png,"{number}"' for number in numbers), header="filename,value"), "values")
    assert values(found) == expected
    assert says(found, ["Decimal commas"]) == bool(expected)


@pytest.mark.parametrize(
    ("words", "expected", "told"),
    [
        (["train", "holdout"], ["train", "test"], "'holdout' is test"),
        (["trn", "dev"], ["train", "val"], "'trn' is train, 'dev' is val"),
        (["Training", "VALID"], ["train", "val"], "'training' is train, 'valid' is val"),
        (["train", "test"], ["train", "test"], ""),
    ],
)
def test_words_for_subsets_are_explained(root: Path, words: list[str], expected: list[str], told: str) -> None:
    cells = [f"#.png,{label},{word}" for label, word in zip(("cat", "dog"), words, strict=True)]
    found = scan_table(root, rows(*cells, header="filename,label,split"))
    assert splits(found) == expected
    assert any("Words in the column" in note for note in found.notes) == bool(told)
    assert says(found, [told])


def test_a_table_without_rows_says_so(root: Path) -> None:
    found = scan_table(root, "filename,label\n")
    assert (found.images, [problem.message for problem in found.problems.named]) == ([], ["The table has no rows."])


def test_a_workbook_with_the_ending_of_a_text_table_is_read(root: Path) -> None:
    book = openpyxl.Workbook()
    for row in (("filename", "label"), ("0.png", "cat"), ("1.png", "dog")):
        book.active.append(row)
    book.save(root / "book.xlsx")
    (root / "book.xlsx").rename(root / "t.csv")
    assert labels(scan_table(root, (root / "t.csv").read_bytes())) == [("0.png", "cat"), ("1.png", "dog")]


@pytest.mark.parametrize("start", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a"])
def test_an_image_is_no_table(root: Path, start: bytes) -> None:
    with pytest.raises(SourceError, match=r"t\.csv is an image"):
        scan_table(root, start + bytes(50))


@pytest.mark.parametrize(
    ("files", "ids", "found"),
    [
        (["0003.jpg", "0012.jpg"], ["3", "12"], 2),
        (["000.jpg", "001.jpg"], ["0", "1"], 2),
        (["img/0003.jpg", "img/0012.jpg"], ["00003", "12"], 2),
        (["0003.jpg", "03.jpg"], ["3", "12"], 0),
        (["a0003.jpg", "0012.jpg"], ["3", "12"], 1),
        (["3.jpg", "0003.jpg"], ["3", "0003"], 2),
    ],
)
def test_numbers_that_lost_their_zeros_are_matched(
    tmp_path: Path, files: list[str], ids: list[str], found: int
) -> None:
    root = write_files(tmp_path / "own", *files)
    scan = scan_table(root, f"id,label\n{ids[0]},cat\n{ids[1]},dog\n", filename_column="id")
    assert len(scan.images) == found
    is_guessed = found > 0 and "3.jpg" not in files
    assert any(" leading zeros" in note for note in scan.notes) == is_guessed


@pytest.mark.parametrize(
    ("files", "ids", "note"),
    [
        (["000.jpg", "001.jpg"], ["0", "1"], "2 numbers lost their leading zeros"),
        (["0.jpg", "1.jpg"], ["0000", "0001"], "2 numbers have more leading zeros than the names of their files"),
        (["0.jpg", "001.jpg"], ["0000", "001"], "1 number has more leading zeros than the name of its file"),
        (["0.jpg", "001.jpg"], ["0", "1"], "1 number lost its leading zeros"),
    ],
)
def test_zeros_that_were_added_or_lost_are_told_apart(
    tmp_path: Path, files: list[str], ids: list[str], note: str
) -> None:
    root = write_files(tmp_path / "own", *files)
    scan = scan_table(root, f"id,label\n{ids[0]},cat\n{ids[1]},dog\n", filename_column="id")
    assert len(scan.images) == 2
    assert any(told.startswith(note) for told in scan.notes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("file;y\n0.png;1 000,5\n1.png;2\n2.png;12 345 678\n", [1000.5, 2.0, 12345678.0]),
        ("file;y\n0.png;1\u00a0000,5\n1.png;-2\u202f500\n2.png;3,25\n", [1000.5, -2500.0, 3.25]),
        ("file,y\n0.png,1'000.5\n1.png,2\n2.png,1\u2019234\n", [1000.5, 2.0, 1234.0]),
        ('file,y\n0.png,"1 000,5"\n1.png,"2,5"\n2.png,3\n', [1000.5, 2.5, 3.0]),
        ("file\ty\tz\n0.png\t1 000\t1\n1.png\t2 000\t2\n2.png\t999\t3\n", [1000.0, 2000.0, 999.0]),
    ],
)
def test_blanks_and_apostrophes_that_group_digits_are_read(root: Path, text: str, expected: list[float]) -> None:
    found = scan_table(root, text, "values")
    assert [row[0] for row in values(found)] == expected
    assert found.problems.num_problems == 0
    assert "Blanks or apostrophes that group digits were left out of numbers." in found.notes


@pytest.mark.parametrize("cell", ["1 00,5", "10 00", "1.000.5", "1 000 m", "12 34 567"])
def test_other_blanks_in_numbers_are_named_as_they_stand_in_the_file(root: Path, cell: str) -> None:
    found = scan_table(root, f"file;y\n0.png;{cell}\n1.png;2\n", "values")
    assert len(found.images) == 1
    assert f"The value {cell!r} is not a number" in found.problems.named[0].message
