"""Files that are something else than their names say, archives in archives, and folders of tools."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from openpyxl import Workbook

from app.datasets.formats.layouts.tree import read_tree
from app.datasets.formats.work import Work
from tests.datasets.formats.sources import look_at, write_source
from tests.datasets.formats.tables.test_open_tables import ROWS, write_table

NAMES = [name for name, _ in ROWS]
TEXT = "filename{0}label\n" + "".join(f"{name}{{0}}{label}\n" for name, label in ROWS)


@pytest.mark.parametrize("is_given", [False, True])
@pytest.mark.parametrize("ending", [".xlsx", ".xlsm", ".XLSX"])
@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-16")])
def test_text_that_is_named_like_a_workbook_is_read_as_text(
    tmp_path: Path, ending: str, delimiter: str, encoding: str, is_given: bool
) -> None:
    root = write_source(tmp_path / "in", NAMES)
    table = root / f"labels{ending}"
    table.write_bytes(TEXT.format(delimiter).encode(encoding))
    report = look_at(table if is_given else root)
    assert (report.class_counts, report.num_lost) == ({"a": 2, "b": 2}, 0)
    assert f"labels{ending} is text and no workbook, and was read as text." in report.notes


@pytest.mark.parametrize("is_given", [False, True])
@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt"])
def test_a_workbook_that_is_named_like_text_is_read_as_a_workbook(tmp_path: Path, ending: str, is_given: bool) -> None:
    root = write_source(tmp_path / "in", NAMES)
    table = write_table(tmp_path / "book.xlsx").rename(root / f"labels{ending}")
    report = look_at(table if is_given else root)
    assert (report.class_counts, report.num_lost) == ({"a": 2, "b": 2}, 0)
    assert f"labels{ending} is a workbook, and was read as one." in report.notes


@pytest.mark.parametrize("content", [b"", b"\0\1\2\3", b"PK but no workbook"])
def test_what_is_neither_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    root = write_source(tmp_path / "in", NAMES)
    (root / "labels.xlsx").write_bytes(content)
    report = look_at(root / "labels.xlsx")
    assert not report.can_import
    assert report.problems[0].file == "labels.xlsx"


@pytest.mark.parametrize("beside", [{}, {"README.md": b"read me"}, {"train.csv": b"filename,label\n1.png,a\n"}])
@pytest.mark.parametrize("inner", ["images.zip", "data/train.7z", "photos.tar.gz"])
def test_a_zip_with_its_images_in_an_archive_says_so(tmp_path: Path, inner: str, beside: dict[str, bytes]) -> None:
    packed = tmp_path / "all.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in {inner: b"PK\3\4", **beside}.items():
            archive.writestr(name, content)
    report = look_at(packed)
    assert not report.can_import
    assert report.problems[0].message == f"The zip holds no images but other archives: {inner}."
    assert report.problems[0].fix.startswith("Unpack it")


@pytest.mark.parametrize(
    "folder",
    [
        "node_modules/icons",
        ".venv/lib/site-packages/matplotlib",
        "venv/lib/site-packages/skimage/data",
        "runs/detect/train",
        "runs/train/exp",
        "Runs/predict2",
    ],
)
def test_folders_of_programs_are_left_out_with_a_note(tmp_path: Path, folder: str) -> None:
    files = [f"{name}/{number}.png" for name in ("cat", "dog") for number in range(2)]
    root = write_source(tmp_path / "in", [*files, f"{folder}/a.png", f"{folder}/b.png"])
    report = look_at(root)
    assert (report.class_counts, report.num_files, report.num_lost) == ({"cat": 2, "dog": 2}, 4, 0)
    assert any(note.startswith("2 images in hidden, system or program folders are not read: ") for note in report.notes)


@pytest.mark.parametrize("inner", ["", "train", "batch1"])
def test_runs_may_be_a_class(tmp_path: Path, inner: str) -> None:
    root = write_source(tmp_path / "in", [str(Path(name) / inner / "1.png") for name in ("jumps", "runs")])
    assert [folder.name for folder in read_tree(root, Work()).top.folders] == ["jumps", "runs"]


@pytest.mark.parametrize(
    ("ending", "is_workbook"), [(".csv", False), (".tsv", False), (".jsonl", False), (".xlsx", True)]
)
def test_only_a_workbook_has_formulas(tmp_path: Path, ending: str, is_workbook: bool) -> None:
    root = write_source(tmp_path / "in", NAMES)
    rows = [("filename", "value"), *((name, "" if name == NAMES[1] else 0.5) for name in NAMES)]
    book = Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    if is_workbook:
        book.save(root / f"values{ending}")
    elif ending == ".jsonl":
        lines = [json.dumps(dict(zip(rows[0], row, strict=True))) for row in rows[1:]]
        (root / "values.jsonl").write_text("\n".join(lines))
    else:
        delimiter = "," if ending == ".csv" else "\t"
        (root / f"values{ending}").write_text("".join(f"{name}{delimiter}{value}\n" for name, value in rows))
    report = look_at(root, "values")
    fixes = [problem.fix for problem in report.problems if problem.kind == "bad_value"]
    assert len(fixes) == 1
    assert ("workbook" in fixes[0]) == is_workbook
