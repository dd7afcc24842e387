"""Which folder is read, and as what: wrapping folders, stray documents, and several formats that fit."""

from __future__ import annotations

import csv
from contextlib import closing
from pathlib import Path

import pytest

from app.annotations.registry import get_kind
from app.datasets.formats.source import Source, scan_source
from app.datasets.formats.work import Work
from tests.datasets.formats.sources import ALLOWED, coco_document, look_at, problems_of, two_in, write_source

STRAYS = {"class_to_idx.json": '{"bad": 0, "good": 1}', "results.csv": "epoch,loss\n1,0.5\n2,0.25\n"}


@pytest.mark.parametrize(
    ("inner", "texts"),
    [
        ("dataset", {"README.md": "about"}),
        ("dataset", {"LICENSE": "MIT", "notes.txt": "x", "results.csv": STRAYS["results.csv"]}),
        ("outer/middle/dataset", {"outer/README": "about"}),
        ("Images", {"Annotation/cat/0.xml": "<annotation/>"}),
    ],
)
def test_the_folder_inside_is_read_and_said(tmp_path: Path, inner: str, texts: dict[str, str]) -> None:
    root = write_source(tmp_path / "in", two_in(f"{inner}/cat", f"{inner}/dog"), texts)
    report = look_at(root)
    assert (report.class_counts, report.num_files, report.num_lost) == ({"cat": 2, "dog": 2}, 4, 0)
    if any(name.count("/") < 2 and not name.startswith("Ann") for name in texts):
        assert any(note.startswith(f"Read from {inner}. Beside it lie:") for note in report.notes)


def test_a_wrapped_split_is_read(tmp_path: Path) -> None:
    root = write_source(tmp_path / "in", two_in("data/train/cat", "data/train/dog", "data/val/cat"), {"README": "x"})
    assert look_at(root).split_counts == {"train": 4, "val": 2}


def test_a_class_folder_with_one_folder_inside_is_not_taken_apart(tmp_path: Path) -> None:
    report = look_at(write_source(tmp_path / "in", ["cat/0.png", "cat/1.png", "cat/2.png", "cat/old/3.png"]))
    assert (report.class_counts, report.num_lost) == ({"cat": 3}, 1)


def test_an_image_beside_the_folder_keeps_it_from_being_taken_apart(tmp_path: Path) -> None:
    report = look_at(write_source(tmp_path / "in", [*two_in("animals/cat", "animals/dog"), "logo.png"]))
    assert (report.num_files, report.num_lost) == (5, 5)
    assert problems_of(report, "beside_classes") == ["logo.png"]


@pytest.mark.parametrize("names", [["class_to_idx.json"], ["results.csv"], ["class_to_idx.json", "results.csv"]])
def test_stray_documents_do_not_stop_class_folders(tmp_path: Path, names: list[str]) -> None:
    texts = {name: STRAYS[name] for name in names}
    report = look_at(write_source(tmp_path / "in", two_in("good", "bad"), texts))
    assert (report.source_format, report.num_problems) == ("image_folders", 0)
    assert report.class_counts == {"bad": 2, "good": 2}
    assert all(name in report.notes[0] for name in names)
    assert report.documents == []


def test_a_document_comes_before_class_folders(tmp_path: Path) -> None:
    text = "filename,label\ngood/0.png,a\ngood/1.png,b\nbad/0.png,a\nbad/1.png,b\n"
    report = look_at(write_source(tmp_path / "in", two_in("good", "bad"), {"labels.csv": text}))
    assert (report.source_format, report.class_counts) == ("csv", {"a": 2, "b": 2})


@pytest.mark.parametrize(
    "rows",
    [
        ["cat/0.png,dog", "cat/1.png,dog"],
        ["cat/0.png,dog", "dog/0.png,dog"],
        ["cat/0.png,Elk", "cat/1.png,cat", "elk/0.png,elk"],
    ],
)
def test_predictions_of_some_images_do_not_replace_the_folders(tmp_path: Path, rows: list[str]) -> None:
    text = "\n".join(["filename,prediction", *rows, ""])
    root = write_source(tmp_path / "in", two_in("cat", "dog", "elk"), {"predictions.csv": text})
    report = look_at(root)
    assert report.class_counts == {"cat": 2, "dog": 2, "elk": 2}
    assert (report.source_format, report.num_lost, report.num_problems) == ("image_folders", 0, 0)
    assert any("predictions.csv gives 1" in note or "predictions.csv gives 2" in note for note in report.notes)
    assert report.documents == ["predictions.csv"]
    assert look_at(root, annotation_file="predictions.csv").source_format == "csv"
    assert look_at(root, target_columns=["prediction"]).source_format == "csv"


def test_a_table_of_all_images_that_contradicts_the_folders_is_read_with_a_warning(tmp_path: Path) -> None:
    text = "filename,label\ncat/0.png,cat\ncat/1.png,dog\ndog/0.png,dog\ndog/1.png,dog\n"
    report = look_at(write_source(tmp_path / "in", two_in("cat", "dog"), {"labels.csv": text}))
    assert (report.source_format, report.class_counts) == ("csv", {"cat": 1, "dog": 3})
    (message,) = [problem.message for problem in report.problems if problem.kind == "other_folder"]
    assert message == "labels.csv gives 1 of 4 images a different class from the one their folder names."


@pytest.mark.parametrize(
    ("loose", "rows"),
    [
        (["a.png", "b.png", "c.png"], ["a.png,cat", "b.png,dog", "gone.png,dog"]),
        (["a.png", "b.png"], ["a.png,cat", "b.png,cat"]),
        (["a.png", "b.png", "c.png"], ["a.png,ELK", "c.png,Cat"]),
    ],
)
def test_images_in_the_top_folder_are_not_compared_with_its_name(
    tmp_path: Path, loose: list[str], rows: list[str]
) -> None:
    text = "\n".join(["filename,label", *rows, ""])
    root = write_source(tmp_path / "in", [*two_in("cat", "dog", "elk"), *loose], {"labels.csv": text})
    report = look_at(root)
    assert report.source_format == "image_folders"
    assert not any("different class" in note for note in report.notes)
    assert not any("image_folders" in note for note in report.notes)
    (note,) = [note for note in report.notes if note.startswith("Read as Image folders")]
    assert note == (
        f"Read as Image folders, because labels.csv names only 2 of {6 + len(loose)} images. "
        "To use its classes instead, choose the format Table."
    )


@pytest.mark.parametrize(
    "rows", [["cat/0.png,cat", "dog/0.png,dog"], ["cat/0.png,small", "dog/0.png,large"], ["cat/0.png,cat"]]
)
def test_a_table_that_the_folders_do_not_contradict_is_read(tmp_path: Path, rows: list[str]) -> None:
    text = "\n".join(["filename,label", *rows, ""])
    report = look_at(write_source(tmp_path / "in", two_in("cat", "dog"), {"labels.csv": text}))
    assert (report.source_format, report.num_images, report.num_lost) == ("csv", len(rows), 4 - len(rows))
    assert problems_of(report, "other_folder") == []


@pytest.mark.parametrize(
    ("name", "text"),
    [("old.csv", "filename,label\nx/1.png,a\nx/2.png,b\n"), ("old.json", coco_document(["x1.png", "x2.png"]))],
)
def test_a_document_whose_files_are_elsewhere_does_not_hide_class_folders(tmp_path: Path, name: str, text: str) -> None:
    root = write_source(tmp_path / "in", two_in("cat", "dog"), {name: text})
    work = Work(problems_path=tmp_path / "problems.csv")
    with closing(work):
        found = scan_source(Source(root, get_kind("label"), ALLOWED, work=work))
    assert (found.format.name, len(found.scan.images), found.scan.problems.num_problems) == ("image_folders", 4, 0)
    assert any(name in note for note in found.scan.notes)
    assert not (tmp_path / "problems.csv").exists()


def test_a_document_without_files_or_class_folders_keeps_its_problems(tmp_path: Path) -> None:
    root = write_source(tmp_path / "in", two_in("images"), {"labels.csv": "filename,label\nx.png,a\ny.png,b\n"})
    work = Work(problems_path=tmp_path / "problems.csv")
    with closing(work):
        found = scan_source(Source(root, get_kind("label"), ALLOWED, work=work))
    assert found.format.name == "csv"
    with (tmp_path / "problems.csv").open(encoding="utf-8", newline="") as file:
        named = [row["file"] for row in csv.DictReader(file)]
    assert named == ["labels.csv, row 2", "labels.csv, row 3", "images/0.png", "images/1.png"]


def test_documents_that_could_be_read_are_listed(tmp_path: Path) -> None:
    texts = {
        "a.csv": "filename,label\n0.png,x\n1.png,y\n",
        "b.csv": "filename,label\n0.png,y\n1.png,x\n",
        "c.json": coco_document(["0.png", "1.png"]),
        **STRAYS,
    }
    root = write_source(tmp_path / "in", ["0.png", "1.png"], texts)
    report = look_at(root, annotation_file="b.csv")
    assert report.class_counts == {"x": 1, "y": 1}
    assert report.documents == ["c.json", "a.csv", "b.csv"]


@pytest.mark.parametrize("folders", [["cat/train", "cat/test"], ["cat/Training", "cat/val", "cat/test"]])
def test_subsets_inside_of_classes_are_a_split(tmp_path: Path, folders: list[str]) -> None:
    dogs = [folder.replace("cat", "dog") for folder in folders]
    report = look_at(write_source(tmp_path / "in", two_in(*folders, *dogs)))
    assert report.class_counts == {"cat": 2 * len(folders), "dog": 2 * len(folders)}
    assert sum(report.split_counts.values()) == 4 * len(folders)
    assert report.split_counts["train"] == 4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 4\n", "placeholder of Git LFS"),
        ("<!DOCTYPE html><html>404</html>", "web page"),
        ("", "empty"),
    ],
)
def test_files_that_are_only_named_like_images_are_each_named_with_the_reason(
    tmp_path: Path, text: str, reason: str
) -> None:
    report = look_at(write_source(tmp_path / "in", (), dict.fromkeys(two_in("cat", "dog"), text)))
    found = [problem for problem in report.problems if problem.kind == "unreadable_image"]
    assert (report.can_import, report.num_files, report.num_lost) == (False, 4, 4)
    assert len(found) == 4
    assert all(reason in problem.message for problem in found)


def test_folders_beside_the_one_that_is_read_are_named(tmp_path: Path) -> None:
    root = write_source(
        tmp_path / "in", two_in("images/cat", "images/dog"), {"meta/train.txt": "cat/0\n", "README": "x"}
    )
    assert any(note == "Read from images. Beside it lie: README, meta." for note in look_at(root).notes)
