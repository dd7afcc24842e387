"""Random documents over random files: every image is read or named, by tables, COCO and subsets with documents."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.datasets.importing import importer
from app.schemas.job_context import JobFailure
from tests.datasets.formats.sources import look_at
from tests.datasets.jobs import FakeContext, make_payload, read_table
from tests.datasets.pictures import write_image, write_truncated_jpeg

SETTINGS = settings(max_examples=40, deadline=None, derandomize=True)
PLACES = ("", "images/", "data/", "deep/er/", ".hidden/")


@dataclass(frozen=True)
class File:
    """An image file of a source, and whether a document names it."""

    name: str
    is_named: bool
    is_whole: bool


@st.composite
def sources(draw: st.DrawFn) -> list[File]:
    """Draw image files with different last names, in a few folders."""
    found = []
    for number in range(draw(st.integers(0, 8))):
        is_whole = draw(st.booleans()) or draw(st.booleans())
        place = draw(st.sampled_from(PLACES))
        found.append(File(f"{place}{number}.jpg", draw(st.booleans()), is_whole))
    return found


@cache
def contents() -> tuple[bytes, bytes]:
    """Return the bytes of a sound image and of one that ends in its middle."""
    with tempfile.TemporaryDirectory() as folder:
        whole, cut = write_image(Path(folder) / "a.jpg"), write_truncated_jpeg(Path(folder) / "b.jpg")
        return whole.read_bytes(), cut.read_bytes()


def write_files(root: Path, files: Sequence[File]) -> None:
    root.mkdir(exist_ok=True)
    for file in files:
        (root / file.name).parent.mkdir(parents=True, exist_ok=True)
        (root / file.name).write_bytes(contents()[0 if file.is_whole else 1])


def write_document(root: Path, names: Sequence[str], form: str) -> None:
    """Write a document that names images, each with the class a or b."""
    labels = ["ab"[index % 2] for index in range(len(names))]
    if form == "csv":
        rows = [f"{name},{label}\n" for name, label in zip(names, labels, strict=True)]
        (root / "labels.csv").write_text("filename,label\n" + "".join(rows))
        return
    document = {
        "images": [{"id": index, "file_name": name} for index, name in enumerate(names)],
        "annotations": [{"id": i, "image_id": i, "category_id": "ab".index(label)} for i, label in enumerate(labels)],
        "categories": [{"id": 0, "name": "a"}, {"id": 1, "name": "b"}],
    }
    (root / "labels.json").write_text(json.dumps(document))


def named_in(files: Sequence[File], num_missing: int) -> list[str]:
    return [file.name for file in files if file.is_named] + [f"gone{number}.jpg" for number in range(num_missing)]


@given(files=sources(), num_missing=st.integers(0, 3), form=st.sampled_from(["csv", "coco"]))
@SETTINGS
def test_what_a_document_names_and_what_it_does_not_add_up(files: list[File], num_missing: int, form: str) -> None:
    seen = [file for file in files if not file.name.startswith(".")]
    hidden_named = [file for file in files if file.name.startswith(".") and file.is_named]
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "in", Path(folder) / "out"
        out.mkdir()
        write_files(root, files)
        write_document(root, named_in(files, num_missing), form)
        report = look_at(root, allowed=("csv", "coco"))
        if report.can_import:
            sound = [file for file in (*seen, *hidden_named) if file.is_named and file.is_whole]
            assert report.num_images == len(sound)
            assert report.num_files == len(seen) + len(hidden_named)
            assert report.num_lost == report.num_files - report.num_images
            assert report.num_unused_entries == num_missing
        try:
            importer.run(FakeContext(out, make_payload(root, allowed=("csv", "coco"))))
        except JobFailure:
            assert not report.can_import
            return
        table = read_table(out)
        found = (len(table.images), table.num_files, table.num_lost, table.num_unused_entries)
        assert found == (report.num_images, report.num_files, report.num_lost, report.num_unused_entries)


NAMES = [f"{number}.jpg" for number in range(6)]
# Rows of a table beside six image files, and the files and rows that are not used.
FAULTY_ROWS: dict[str, tuple[list[str], int, int]] = {
    "a file that does not exist": ([f"{name},a" for name in [*NAMES, "gone.jpg"]], 0, 1),
    "the wrong ending in every row": ([f"{name[:-4]}.png,a" for name in NAMES], 6, 6),
    "the same row with another class": ([*(f"{name},a" for name in NAMES), "0.jpg,b"], 0, 1),
    "no file name": ([*(f"{name},a" for name in NAMES), ",a"], 0, 1),
    "no label": ([*(f"{name},a" for name in NAMES[1:]), "0.jpg,"], 1, 0),
    "a quote that is never closed": ([f"{NAMES[0]},a", f'"{NAMES[1]},a', *(f"{name},a" for name in NAMES[2:])], 5, 5),
    "a hundred rows without a file": ([f"{name},a" for name in [*NAMES, *(f"x{i}.jpg" for i in range(100))]], 0, 100),
}


@pytest.mark.parametrize("fault", FAULTY_ROWS)
def test_a_row_without_a_file_of_its_own_is_no_lost_image(tmp_path: Path, fault: str) -> None:
    rows, num_lost, num_unused = FAULTY_ROWS[fault]
    root = tmp_path / "in"
    write_files(root, [File(name, True, True) for name in NAMES])
    (root / "labels.csv").write_text("filename,label\n" + "\n".join(rows) + "\n")
    report = look_at(root, allowed=("csv",))
    assert (report.num_files, report.num_lost, report.num_unused_entries) == (6, num_lost, num_unused)
    assert report.loss_level != "none"
    assert num_unused < 7 or report.loss_level == "most"
    assert sum(group.count for group in report.groups if group.severity == "error") > 0


@pytest.mark.parametrize("endings", [("png", "jpg"), ("png", "bmp"), ("jpg", "gif")])
def test_an_id_that_fits_two_files_loses_both_and_no_third(tmp_path: Path, endings: tuple[str, str]) -> None:
    root = tmp_path / "in"
    write_files(root, [File(f"{number}.jpg", True, True) for number in range(5)])
    for ending in endings:
        (root / f"7.{ending}").write_bytes(contents()[0])
    (root / "labels.csv").write_text("id,label\n" + "".join(f"{number},a\n" for number in (0, 1, 2, 3, 4, 7)))
    report = look_at(root, allowed=("csv",))
    assert (report.num_images, report.num_files, report.num_lost, report.num_unused_entries) == (5, 7, 2, 1)


@pytest.mark.parametrize("form", ["csv", "coco"])
@pytest.mark.parametrize("second", ["a.jpg", "train/a.jpg"])
def test_a_file_that_one_document_cannot_use_and_another_can_is_not_lost(
    tmp_path: Path, form: str, second: str
) -> None:
    root = tmp_path / "in"
    write_files(root, [File(second, True, True), File("b.jpg", True, True)])
    write_document(root, [second, "b.jpg"], form)
    name = "labels.csv" if form == "csv" else "labels.json"
    (root / name).rename(root / name.replace("labels", "val"))
    write_document(root, [second], form)
    document = (root / name).read_text().replace(",a\n", ",\n").replace('"category_id": 0', '"category_id": 9')
    (root / name.replace("labels", "train")).write_text(document)
    (root / name).unlink()
    report = look_at(root, allowed=(form,))
    assert (report.num_images, report.num_files, report.num_lost) == (2, 2, 0)
    assert report.num_problems > 0


@given(files=sources(), num_missing=st.integers(0, 3), form=st.sampled_from(["csv", "coco"]))
@settings(SETTINGS, max_examples=20)
def test_archives_add_up(files: list[File], num_missing: int, form: str) -> None:
    """Some entries lie about their names: a second one of the same name and one that leads out are not unpacked."""
    with tempfile.TemporaryDirectory() as folder:
        root, packed = Path(folder) / "in", Path(folder) / "in.zip"
        write_files(root, files)
        write_document(root, named_in(files, num_missing), form)
        with zipfile.ZipFile(packed, "w") as archive:
            for path in sorted(root.rglob("*")):
                archive.write(path, path.relative_to(root).as_posix())
            archive.writestr("../out.jpg", contents()[0])
            archive.writestr("A.JPG", contents()[0])
            archive.writestr("a.jpg", contents()[0])
        report = look_at(packed, allowed=("csv", "coco"))
        if report.can_import:
            visible = [file for file in files if not file.name.startswith(".") or file.is_named]
            assert report.num_files == len(visible) + 3
            assert report.num_images == sum(file.is_named and file.is_whole for file in files)


@given(train=sources(), test=sources(), form=st.sampled_from(["csv", "coco"]))
@SETTINGS
def test_subsets_with_documents_add_up(train: list[File], test: list[File], form: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "in"
        root.mkdir()
        everything = []
        for name, files in (("train", train), ("test", test)):
            kept = [file for file in files if not file.name.startswith(".")]
            write_files(root / name, kept)
            write_document(root / name, named_in(kept, 0), form)
            everything += kept
        report = look_at(root, allowed=("csv", "coco"))
        if report.can_import:
            assert report.num_images == sum(file.is_named and file.is_whole for file in everything)
            assert (report.num_files, report.num_lost) == (len(everything), len(everything) - report.num_images)
        else:
            assert report.num_lost == len(everything)
