"""A document whose labels contradict the class folders of its images is noticed; other folders name no class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.datasets.formats.sources import look_at, problems_of, write_source

AGREED = {f"{name}/{name}{number}.png": name for name in ("cat", "dog") for number in range(3)}


def write_labels(root: Path, labels: Mapping[str, str]) -> Path:
    table = "filename,label\n" + "".join(f"{file},{label}\n" for file, label in labels.items())
    return write_source(root, labels, {"labels.csv": table})


@pytest.mark.parametrize(
    "folder",
    [
        *("images", "data", "JPEGImages", "labels", "images/raw", "photos/2024", "unsorted", "Unlabeled"),
        *("2024-05-01", "batch_2", "101CANON", "train", "test"),
    ],
)
def test_a_folder_that_is_no_class_contradicts_nothing(tmp_path: Path, folder: str) -> None:
    report = look_at(write_labels(tmp_path / "in", {**AGREED, f"{folder}/a.png": "cat"}))
    assert report.source_format == "csv"
    assert report.class_counts == {"cat": 4, "dog": 3}
    assert problems_of(report, "other_folder") == []


@pytest.mark.parametrize(
    "file", ["cat/images/a.png", "cat/closeups/a.png", "images/cat/a.png", "dog/cat/a.png", "Cat/a.png", "a.png"]
)
def test_the_innermost_folder_with_the_name_of_a_label_counts(tmp_path: Path, file: str) -> None:
    report = look_at(write_labels(tmp_path / "in", {**AGREED, file: "cat"}))
    assert (report.source_format, problems_of(report, "other_folder")) == ("csv", [])
    assert report.class_counts == {"cat": 4, "dog": 3}


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ({"cat/a.png": "dog"}, "1 of 7 images"),
        ({"cat/images/a.png": "dog", "images/b.png": "dog"}, "1 of 7 images"),
        ({"elk/a.png": "cat", "elk/b.png": "dog"}, "2 of 8 images"),
    ],
)
def test_a_label_that_is_not_that_of_the_class_folder_is_noticed(
    tmp_path: Path, labels: dict[str, str], sentence: str
) -> None:
    report = look_at(write_labels(tmp_path / "in", {**AGREED, **labels}))
    (problem,) = [problem for problem in report.problems if problem.kind == "other_folder"]
    assert f"labels.csv gives {sentence} a different class from the one their folder names." in problem.message
