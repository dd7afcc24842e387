"""The dry run: what is found and what is wrong, from folders, documents and zips, without an exception."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.annotations.registry import get_kind
from app.datasets.formats.report import check
from app.datasets.formats.report.check import check_source
from app.datasets.formats.source import Source
from app.datasets.formats.work import Work
from app.schemas.datasets import ImportOptions
from app.schemas.import_report import ImportReport
from app.schemas.payloads import ImportLimits
from tests.datasets.pictures import write_image, write_png

ALLOWED = ("image_folders", "csv", "coco")


def report(path: Path, kind: str = "label", source_format: str | None = None, **limits: Any) -> ImportReport:
    work = Work(ImportLimits(**limits))
    return check_source(Source(path, get_kind(kind), ALLOWED, source_format, ImportOptions(), work), path.parent)


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """Two classes in train and test folders."""
    for subset, count in (("train", 3), ("test", 2)):
        for name in ("cat", "dog"):
            for i in range(count):
                write_image(tmp_path / "in" / subset / name / f"{i}.png")
    return tmp_path / "in"


def test_a_folder_is_counted(animals: Path) -> None:
    found = report(animals)
    assert (found.source_format, found.num_images, found.num_annotations) == ("image_folders", 10, 10)
    assert (found.class_counts, found.split_counts) == ({"cat": 5, "dog": 5}, {"train": 6, "test": 4})
    assert (found.num_problems, found.can_import) == (0, True)


def test_a_zip_is_counted_and_nothing_stays(animals: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in animals.rglob("*.png"):
            archive.write(path, path.relative_to(animals.parent))
        archive.writestr("../evil.png", b"x")
    found = report(tmp_path / "a.zip")
    assert (found.num_images, found.num_problems, found.problems[0].file) == (10, 1, "../evil.png")
    assert {path.name for path in tmp_path.iterdir()} == {"in", "a.zip"}


def test_a_wrong_zip_is_reported_and_not_raised(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"this is no zip")
    found = report(tmp_path / "a.zip")
    assert (found.can_import, found.num_problems, found.problems[0].file) == (False, 1, "a.zip")
    assert "not a usable zip" in found.problems[0].message


def test_a_zip_of_refused_entries_names_them(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../evil.png", b"x")
    found = report(tmp_path / "a.zip")
    assert [problem.file for problem in found.problems] == ["../evil.png", "a.zip"]
    assert not found.can_import


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv", "labels.json"])
def test_an_annotation_file_can_be_the_source(tmp_path: Path, name: str) -> None:
    write_image(tmp_path / "a.png")
    (tmp_path / "other.csv").write_text("nothing")
    document = '{"images":[{"id":1,"file_name":"a.png"}],"annotations":[{"image_id":1,"category_id":1}],'
    text = {
        ".csv": "filename,label\na.png,x\n",
        ".tsv": "filename\tlabel\na.png\tx\n",
        ".json": document + '"categories":[{"id":1,"name":"x"}]}',
    }[Path(name).suffix]
    (tmp_path / name).write_text(text)
    found = report(tmp_path / name)
    assert (found.num_images, found.classes) == (1, ["x"])


def test_values_are_named_and_notes_are_given(tmp_path: Path) -> None:
    write_image(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "t.csv").write_text("filename;value_0;value_1\na.png;1,5;2\n")
    found = report(tmp_path / "in", "values")
    assert (found.value_names, found.class_counts, found.num_annotations) == (["value_0", "value_1"], {}, 1)
    assert any("semicolon" in note for note in found.notes)


def test_unreadable_and_too_large_images_are_named(animals: Path) -> None:
    (animals / "train" / "cat" / "text.jpg").write_text("no image")
    write_png(animals / "train" / "dog" / "wide.png", np.zeros((1, 200, 1), dtype=np.uint8))
    found = report(animals, max_side_px=100)
    assert {problem.file for problem in found.problems} == {"train/cat/text.jpg", "train/dog/wide.png"}
    assert found.num_images == 10


def test_only_the_first_problems_are_named(tmp_path: Path) -> None:
    write_image(tmp_path / "in" / "cat" / "good.png")
    for i in range(5):
        (tmp_path / "in" / "cat" / f"{i}.png").write_text("no image")
    found = report(tmp_path / "in", max_named_problems=3)
    assert (found.num_problems, len(found.problems), found.can_import) == (6, 3, True)


def test_more_images_than_are_looked_at(animals: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "MAX_HEADERS", 4)
    found = report(animals)
    assert (found.num_images, sum(found.class_counts.values())) == (10, 10)
    assert any("first 4 of 10" in note for note in found.notes)


@pytest.mark.parametrize(
    ("kind", "source_format", "message"),
    [
        ("label", "yolo", "cannot be imported here"),
        ("values", "image_folders", "cannot hold annotations of the kind 'values'"),
        ("label", "coco", "no COCO JSON file"),
        ("label", "csv", "no CSV file"),
    ],
)
def test_a_wrong_format_is_a_clear_answer(animals: Path, kind: str, source_format: str, message: str) -> None:
    found = report(animals, kind, source_format)
    assert not found.can_import
    assert message in found.problems[0].message


@pytest.mark.parametrize(
    ("name", "message"), [("missing", "does not exist"), ("a.pdf", "neither a folder"), ("empty", "is empty")]
)
def test_a_source_that_is_none_is_a_clear_answer(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "a.pdf").write_text("x")
    (tmp_path / "empty").mkdir()
    found = report(tmp_path / name)
    assert (found.can_import, message in found.problems[0].message) == (False, True)


def test_a_folder_around_the_data_is_unwrapped(animals: Path, tmp_path: Path) -> None:
    (tmp_path / "outer" / "middle").mkdir(parents=True)
    animals.rename(tmp_path / "outer" / "middle" / "in")
    assert report(tmp_path / "outer").split_counts == {"train": 6, "test": 4}


def test_a_lone_class_is_no_wrapping(tmp_path: Path) -> None:
    write_image(tmp_path / "in" / "cat" / "a.png")
    assert report(tmp_path / "in").classes == ["cat"]


def test_the_dry_run_imports_no_heavy_library() -> None:
    code = (
        "import sys, app.datasets.formats.report.check as c, app.datasets.formats.registry as r; r.list_formats();"
        "heavy = {'torch', 'torchvision', 'sklearn', 'scipy', 'lightning'};"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & heavy))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_classes_to_choose_from_count_what_can_be_read(animals: Path) -> None:
    (animals / "train" / "cat" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\ntorn")
    found = report(animals)
    assert (found.found_classes, found.class_counts) == ({"cat": 5, "dog": 5}, {"cat": 5, "dog": 5})
    assert (found.num_files, found.num_images, found.num_lost) == (11, 10, 1)


@pytest.mark.parametrize("name", ["notes.txt", "table.csv", "a b.tsv"])
def test_a_file_that_is_refused_is_named_once(tmp_path: Path, name: str) -> None:
    write_image(tmp_path / "0.png")
    (tmp_path / name).write_text("one,two\n1,2\n3,4\n")
    (problem,) = report(tmp_path / name, source_format="csv").problems
    assert (problem.file, name in problem.message) == (name, False)
    assert problem.message
