"""Folders that stand for subsets by one word of their names: seg_train and seg_test, cat_train and dog_test."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.datasets.formats.layouts.subset_folders import find_crossed_folders, find_subset_folders
from tests.datasets.formats.sources import look_at, two_in, write_source

SUBSETS = {
    "seg_train seg_test seg_pred": ("seg_train", "seg_test"),
    "X_train X_val X_test": ("X_train", "X_val", "X_test"),
    "asl_alphabet_train asl_alphabet_test": ("asl_alphabet_train", "asl_alphabet_test"),
    "TrainSigns TestSigns": ("TrainSigns", "TestSigns"),
    "boneage-training-dataset boneage-test-dataset": ("boneage-training-dataset", "boneage-test-dataset"),
    "train test train_augmented": ("train", "test"),
}
NO_SUBSETS = (
    *("cat dog", "steam_train bus car", "crash_test cat_test", "test_tube train_station"),
    *("train_cat train_dog", "seg_train seg_train2", "cat_train cat_test dog_train dog_test"),
)


@pytest.mark.parametrize("names", SUBSETS)
def test_names_that_differ_in_the_word_only_are_subsets(names: str) -> None:
    assert tuple(find_subset_folders(names.split())) == SUBSETS[names]
    assert not find_crossed_folders(names.split())


def test_other_names_are_none() -> None:
    assert [names for names in NO_SUBSETS if find_subset_folders(names.split())] == []
    assert len(NO_SUBSETS) == 7


@pytest.mark.parametrize("ending", ["", "/{}"])
@pytest.mark.parametrize(("first", "second"), [("seg_train", "seg_test"), ("X_train", "X_test"), ("train", "test")])
def test_they_are_read_also_in_a_folder_of_their_own_name(tmp_path: Path, ending: str, first: str, second: str) -> None:
    outer = [name + ending.format(name) for name in (first, second)]
    images = two_in(*(f"{folder}/{label}" for folder in outer for label in ("forest", "sea")))
    report = look_at(write_source(tmp_path / "in", [*images, "seg_pred/seg_pred/1.png"]))
    assert report.class_counts == {"forest": 4, "sea": 4}
    assert (report.split_counts, report.num_lost) == ({"train": 4, "test": 4}, 1)


def test_subsets_without_class_folders_are_refused(tmp_path: Path) -> None:
    images = two_in("bounding_box_train", "bounding_box_test", "query")
    report = look_at(write_source(tmp_path / "in", images))
    assert (report.can_import, report.classes) == (False, [])
    assert "bounding_box_train (2)" in report.problems[0].message


@pytest.mark.parametrize(
    ("train", "other"), [("{}_train", "{}_test"), ("train_{}", "val_{}"), ("{}-Training", "{}-Testing")]
)
def test_folders_of_class_and_subset_are_both(tmp_path: Path, train: str, other: str) -> None:
    folders = [form.format(label) for label in ("Cat", "Black dog") for form in (train, other)]
    report = look_at(write_source(tmp_path / "in", two_in(*folders)))
    assert report.class_counts == {"Black dog": 4, "Cat": 4}
    assert report.split_counts["train"] == 4
    assert sum(report.split_counts.values()) == report.num_images == 8


def test_one_class_of_that_kind_is_no_split(tmp_path: Path) -> None:
    report = look_at(write_source(tmp_path / "in", two_in("steam_train", "bus", "car")))
    assert (report.class_counts, report.split_counts) == ({"bus": 2, "car": 2, "steam_train": 2}, {})
