"""A split from the folders of the images that a document names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.datasets.formats.scanned import scan_table, splits, write_files
from tests.datasets.formats.sources import coco_document, look_at, write_source


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train/0.png", "test/1.png"], ["train", "test"]),
        (["images/train2017/0.png", "images/val2017/1.png"], ["train", "val"]),
        (["cat/train/0.png", "dog/Validation/1.png"], ["train", "val"]),
        (["train/0.png", "train/1.png"], [None, None]),
        (["test/0.png", "val/1.png"], [None, None]),
        (["train/0.png", "other/1.png"], [None, None]),
        (["train_0.png", "test_1.png"], [None, None]),
    ],
)
def test_folders_of_subsets_become_the_split(tmp_path: Path, names: list[str], expected: list[str | None]) -> None:
    root = write_files(tmp_path / "in", *names)
    text = "filename,label\n" + "".join(f"{name},{label}\n" for name, label in zip(names, "ab", strict=True))
    assert splits(scan_table(root, text)) == expected
    assert splits(scan_table(root, text, split_column="")) == [None, None]


def test_a_column_of_the_subset_counts_more(tmp_path: Path) -> None:
    root = write_files(tmp_path / "in", "train/0.png", "test/1.png")
    found = scan_table(root, "filename,label,split\ntrain/0.png,a,val\ntest/1.png,b,train\n")
    assert splits(found) == ["val", "train"]


def test_a_coco_document_is_divided_alike(tmp_path: Path) -> None:
    names = ["train/0.png", "train/1.png", "val/2.png", "val/3.png"]
    report = look_at(write_source(tmp_path / "in", names, {"annotations.json": coco_document(names)}))
    assert (report.source_format, report.split_counts) == ("coco", {"train": 2, "val": 2})
    assert any("the split 'original'" in note for note in report.notes)
