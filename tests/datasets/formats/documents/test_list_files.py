"""Which files are lists of the images of a subset, by their names, and what their lines are."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.datasets.formats.documents.list_files import ListFile, find_list_subset, find_lists, read_lines
from app.datasets.formats.layouts.tree import read_tree
from app.datasets.formats.work import LimitError, Work
from app.schemas.payloads import ImportLimits
from tests.datasets.formats.scanned import write_files


@pytest.mark.parametrize(
    ("name", "subset"),
    [
        ("train.txt", "train"),
        ("Train_List.TXT", "train"),
        ("trainlist01.txt", "train"),
        ("TrainImages.txt", "train"),
        ("trainval.txt", "train"),
        ("train_val.txt", "train"),
        ("TrainVal_list.txt", "train"),
        ("train-valid.txt", "train"),
        ("val.lst", "val"),
        ("validation_ids.txt", "val"),
        ("val2017.txt", "val"),
        ("testing_list.txt", "test"),
        ("test-images.list", "test"),
        ("test.json", "test"),
        ("train.csv", "train"),
        ("train.png", None),
        ("classes.txt", None),
        ("train_classes.txt", None),
        ("train_test_split.txt", None),
        ("test_labels.txt", None),
        ("list.txt", None),
        ("test", None),
    ],
)
def test_the_name_says_the_subset(name: str, subset: str | None) -> None:
    assert find_list_subset(name) == subset


def find(root: Path, *names: str) -> tuple[list[list[str]], list[str]]:
    write_files(root, "cat/0.png")
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("cat/0.png\n")
    found = find_lists(read_tree(root.resolve(), Work()), [])
    sets = [[f"{item.subset}:{item.name}" for item in items] for items in found.sets if items[0].key is None]
    return sets, [item.name for item in found.folds]


@pytest.mark.parametrize(
    ("names", "sets", "folds"),
    [
        (["train.txt", "test.txt"], [["train:train.txt", "test:test.txt"]], []),
        (["a/train.txt", "b/c/val.txt"], [["train:a/train.txt"], ["val:b/c/val.txt"]], []),
        (["m/train.json", "m/train.txt"], [["train:m/train.txt"], ["train:m/train.json"]], []),
        (["train.txt", "val.txt", "trainval.txt"], [["train:train.txt", "val:val.txt"]], []),
        (["train.txt", "val.txt", "train_val.txt"], [["train:train.txt", "val:val.txt"]], []),
        (["trainval.txt", "test.txt"], [["train:trainval.txt", "test:test.txt"]], []),
        (["train1.txt", "test1.txt"], [["train:train1.txt", "test:test1.txt"]], []),
        (["train1.txt", "train2.txt"], [], ["train1.txt", "train2.txt"]),
        (["train1.txt", "train2.txt", "test.txt"], [["test:test.txt"]], ["train1.txt", "train2.txt"]),
        (["fold1/train.txt", "fold2/train.txt"], [], ["fold1/train.txt", "fold2/train.txt"]),
        (["cat/train.txt"], [], []),
    ],
)
def test_lists_of_one_kind_are_a_set_and_numbered_ones_are_folds(
    tmp_path: Path, names: list[str], sets: list[list[str]], folds: list[str]
) -> None:
    assert find(tmp_path / "in", *names) == (sets, folds)


def lines_of(path: Path, limits: ImportLimits | None = None) -> list[str]:
    return [f"{place} {text}" for place, text in read_lines(ListFile(path, path.name, "train"), Work(limits))]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "a.txt",
            b'\xef\xbb\xbf# made by hand\r\ncat/0\r\n\r\n "b c.png" \r\n',
            [", line 2 cat/0", ", line 4 b c.png"],
        ),
        ("a.txt", "Übung/1.png\n".encode("utf-16"), [", line 1 Übung/1.png"]),
        ("a.json", b'{"cat": ["cat/0", 7], "dog": []}', ["#/cat/0 cat/0"]),
        ("a.json", b'["cat/0", ["cat/1", 3, "cat"]]', ["#/0 cat/0", "#/1 cat/1"]),
        ("a.json", b'{"images": [{"id": 1}], "info": "x"}', []),
        ("a.json", '["Äpfel/0"]'.encode("cp1252"), ["#/0 Äpfel/0"]),
        ("a.json", '["Äpfel/0"]'.encode("utf-16"), ["#/0 Äpfel/0"]),
        ("a.json", b'{"cat": [', []),
        ("a.json", b'"cat"', []),
        ("a.txt", b"", []),
    ],
)
def test_lines_are_read_without_blanks_and_comments(
    tmp_path: Path, name: str, content: bytes, expected: list[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    assert lines_of(tmp_path / name) == expected


def test_a_list_that_is_gone_or_too_large_is_none_and_a_limit_of_the_reading_holds(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("0.png\n" * 10)
    assert lines_of(tmp_path / "gone.txt") == []
    assert lines_of(tmp_path / "a.txt", ImportLimits(max_annotation_bytes=20)) == []
    with pytest.raises(LimitError):
        lines_of(tmp_path / "a.txt", ImportLimits(max_seconds=1e-9))
