"""Subset folders with documents of their own: one source with their split, for every format of documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.annotations.registry import get_kind
from app.datasets.formats.source import Source, scan_source
from app.datasets.formats.work import Work
from app.schemas.datasets import ImportOptions
from tests.datasets.formats.sources import ALLOWED, coco_document, look_at, problems_of, two_in, write_source

NAMES = ["0.png", "1.png"]
TABLE = "file_name,label,number\n0.png,apple,1\n1.png,pear,2.5\n"
LINES = '{"file_name": "0.png", "label": "apple"}\n{"file_name": "1.png", "label": "pear"}\n'
DOCUMENTS = {
    "_annotations.coco.json": coco_document(NAMES),
    "metadata.csv": TABLE,
    "metadata.jsonl": LINES,
    "labels.tsv": TABLE.replace(",", "\t"),
}


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("folders", [("train", "valid", "test"), ("Training", "validation"), ("train2017", "val2017")])
def test_each_subset_is_read_by_its_own_document(tmp_path: Path, document: str, folders: tuple[str, ...]) -> None:
    texts = {f"{folder}/{document}": DOCUMENTS[document] for folder in folders}
    report = look_at(write_source(tmp_path / "in", two_in(*folders), texts | {"README.txt": "about"}))
    assert (report.num_images, report.num_files, report.num_lost) == (2 * len(folders), 2 * len(folders), 0)
    assert report.class_counts == {"apple": len(folders), "pear": len(folders)}
    assert report.split_counts == dict(zip(("train", "val", "test"), [2] * len(folders), strict=False))
    assert any("make up the split 'original'" in note for note in report.notes)


def test_values_of_subsets_have_the_same_names(tmp_path: Path) -> None:
    texts = {"train/metadata.csv": TABLE, "val/metadata.csv": TABLE}
    root = write_source(tmp_path / "in", two_in("train", "val"), texts)
    report = look_at(root, "values", ("csv",), target_columns=["number"])
    assert (report.value_names, report.split_counts) == (["number"], {"train": 2, "val": 2})
    (root / "val" / "metadata.csv").write_text(TABLE.replace("number", "weight"))
    other = look_at(root, "values", ("csv",))
    assert not other.can_import
    assert "different columns: number and weight" in other.problems[0].message


def test_classes_are_joined_by_name(tmp_path: Path) -> None:
    texts = {
        "train/a.json": coco_document(NAMES, ("pear", "apple")),
        "val/a.json": coco_document(NAMES, ("apple", "quince")),
    }
    report = look_at(write_source(tmp_path / "in", two_in("train", "val"), texts))
    assert report.class_counts == {"apple": 2, "pear": 1, "quince": 1}
    assert problems_of(report, "class_not_in_train") == ["quince"]


def test_names_and_problems_have_the_folder_before_them(tmp_path: Path) -> None:
    texts = {"train/labels.csv": TABLE + "gone.png,pear,3\n", "test/labels.csv": "file_name,label\n0.png,apple\n"}
    root = write_source(tmp_path / "in", two_in("train", "test"), texts)
    report = look_at(root)
    assert "train/labels.csv, row 4" in [problem.file for problem in report.problems]
    assert problems_of(report, "not_in_table") == ["test/1.png"]
    scan = scan_source(Source(root, get_kind("label"), ALLOWED, work=Work())).scan
    assert [image.name for image in scan.images] == ["train/0.png", "train/1.png", "test/0.png"]
    assert [image.split for image in scan.images] == ["train", "train", "test"]


def test_a_subset_without_a_document_is_counted_as_lost(tmp_path: Path) -> None:
    report = look_at(write_source(tmp_path / "in", two_in("train", "test"), {"train/metadata.csv": TABLE}))
    assert (report.num_images, report.num_files, report.num_lost) == (2, 4, 2)
    assert problems_of(report, "not_in_table") == ["test"]


def test_a_document_that_cannot_be_read_costs_its_own_subset_only(tmp_path: Path) -> None:
    texts = {
        "train/a.json": coco_document(NAMES),
        "val/a.json": coco_document(NAMES),
        "val/b.json": coco_document(NAMES),
    }
    report = look_at(write_source(tmp_path / "in", two_in("train", "val"), texts))
    assert (report.split_counts, report.num_lost) == ({"train": 2}, 2)
    assert "val" in [problem.file for problem in report.problems]


def test_one_document_is_chosen_for_all_subsets(tmp_path: Path) -> None:
    texts = {
        f"{folder}/{name}": DOCUMENTS[name] for folder in ("train", "val") for name in ("metadata.csv", "labels.tsv")
    }
    root = write_source(tmp_path / "in", two_in("train", "val"), texts)
    scan = scan_source(Source(root, get_kind("label"), ALLOWED, None, ImportOptions(annotation_file="labels.tsv"))).scan
    assert scan.read_documents == ("train/labels.tsv", "val/labels.tsv")


@pytest.mark.parametrize("folders", [("train", "test"), ("train", "valid", "test"), ("Train", "dev")])
def test_subsets_without_classes_or_documents_are_refused(tmp_path: Path, folders: tuple[str, ...]) -> None:
    report = look_at(write_source(tmp_path / "in", two_in(*folders), {"train/notes.txt": "x"}))
    assert (report.can_import, report.num_files, report.num_lost) == (False, 2 * len(folders), 2 * len(folders))
    assert all(f"{folder} (2)" in report.problems[0].message for folder in folders)
    assert report.classes == []
