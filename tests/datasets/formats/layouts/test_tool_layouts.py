"""Layouts of tools for boxes, masks and anomalies: refused by name, and no class is ever called images or labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.datasets.formats.layouts.tool_layouts import find_tool_layout
from app.datasets.formats.layouts.tree import read_tree
from app.datasets.formats.work import Work
from tests.datasets.formats.sources import look_at, two_in, write_source

BOX = "0 0.5 0.5 0.1 0.1"
LAYOUTS = {
    "labels beside images": ("YOLO", two_in("images"), {"labels/0.txt": BOX}),
    "subsets inside": ("YOLO", two_in("images/train", "images/val"), {"labels/train/0.txt": BOX, "data.yaml": "nc: 1"}),
    "subsets outside": ("YOLO", two_in("train/images", "valid/images"), {"train/labels/0.txt": BOX}),
    "texts beside images": ("YOLO", two_in("obj_train_data"), {"obj_train_data/0.txt": BOX, "obj.names": "cup"}),
    "rotated boxes": ("DOTA", two_in("images"), {"labelTxt/0.txt": BOX}),
    "rotated boxes of a version": ("DOTA", two_in("images"), {"labelTxt-v1.5/0.txt": BOX}),
    "rotated boxes in subsets": (
        "DOTA",
        two_in("train/images", "val/images"),
        {"train/labelTxt-v1.0/0.txt": BOX, "val/labelTxt-v1.0/0.txt": BOX},
    ),
    "voc": ("Pascal VOC", two_in("JPEGImages"), {"Annotations/0.xml": "<annotation/>"}),
    "voc in its folders": (
        "Pascal VOC",
        two_in("VOCdevkit/VOC2012/JPEGImages"),
        {"VOCdevkit/VOC2012/Annotations/0.xml": ""},
    ),
    "images and annotations": ("Pascal VOC", two_in("images"), {"annotations/0.xml": "<annotation/>"}),
    "masks": ("segmentation", two_in("images", "masks"), {}),
    "masks in subsets": ("segmentation", two_in("train/images", "train/masks", "test/images", "test/masks"), {}),
    "masks called labels": ("segmentation", two_in("imgs", "labels"), {}),
    "mvtec": ("MVTec", two_in("train/good", "test/good", "test/crack", "ground_truth/crack"), {}),
    "mvtec in a folder": (
        "MVTec",
        two_in("nut/train/good", "nut/test/cut", "nut/ground_truth/cut"),
        {"nut/license.txt": ""},
    ),
    "mvtec with one defect": ("MVTec", two_in("train/good", "test/bent", "ground_truth/bent"), {}),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_of_a_tool_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    title, images, texts = LAYOUTS[name]
    report = look_at(write_source(tmp_path / "in", images, texts))
    assert (report.can_import, report.num_files, report.num_lost) == (False, len(images), len(images))
    (problem,) = report.problems
    assert title in problem.message
    assert "folder of its own" in problem.fix


def test_every_layout_is_tried() -> None:
    assert len(LAYOUTS) == 16


@pytest.mark.parametrize(
    "images",
    [two_in("cat", "dog"), two_in("mask", "no_mask"), two_in("photos", "drawings"), two_in("images", "cat", "dog")],
)
def test_folders_of_classes_are_no_layout_of_a_tool(tmp_path: Path, images: list[str]) -> None:
    root = write_source(tmp_path / "in", images, {"cat/0.txt": "a cat"}).resolve()
    assert find_tool_layout(read_tree(root, Work())) is None
    report = look_at(root)
    assert (report.num_images, report.num_lost) == (len(images), 0)


@pytest.mark.parametrize("inner", ["images", "labels", "data"])
def test_a_refused_source_has_no_note_about_a_split(tmp_path: Path, inner: str) -> None:
    report = look_at(write_source(tmp_path / "in", two_in(f"train/{inner}", f"val/{inner}")))
    assert (report.can_import, report.num_lost, report.notes) == (False, 4, [])


@pytest.mark.parametrize("folder", ["images", "Images", "data", "photos", "JPEGImages"])
def test_a_lone_folder_of_all_images_is_no_class(tmp_path: Path, folder: str) -> None:
    report = look_at(write_source(tmp_path / "in", two_in(folder)))
    assert (report.can_import, report.num_lost) == (False, 2)
    assert f"All images lie in {folder} (2)" in report.problems[0].message


def test_a_class_called_images_beside_others_is_doubted_and_can_be_left_out(tmp_path: Path) -> None:
    root = write_source(tmp_path / "in", two_in("cat", "dog", "images"))
    report = look_at(root)
    (group,) = report.groups
    assert (group.kind, report.class_counts) == ("doubtful_class", {"cat": 2, "dog": 2, "images": 2})
    without = look_at(root, **group.remedies[0].options)
    assert (without.class_counts, without.num_lost, without.num_files) == ({"cat": 2, "dog": 2}, 0, 6)


@pytest.mark.parametrize("name", ["unlabeled", "Unsorted", "todo", "_unlabeled", "no_label"])
def test_a_folder_of_images_without_a_class_is_doubted(tmp_path: Path, name: str) -> None:
    report = look_at(write_source(tmp_path / "in", two_in("cat", "dog", name)))
    (group,) = report.groups
    assert (group.kind, group.remedies[0].options) == ("doubtful_class", {"class_mapping": {name: None}})


def test_images_beside_their_thumbnails_are_no_two_classes(tmp_path: Path) -> None:
    report = look_at(write_source(tmp_path / "in", two_in("images", "thumbnails"), {"annotations.xml": "<a/>"}))
    assert (report.can_import, report.num_lost) == (False, 4)
    assert "Other files there: annotations.xml" in report.problems[0].message
