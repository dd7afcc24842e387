"""A split from lists of image names: which layouts are used, and what becomes of lines and images that do not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.annotations.registry import get_kind
from app.datasets.formats.report.check import check_source
from app.datasets.formats.source import Source, scan_source
from app.schemas.datasets import ImportOptions
from app.schemas.import_report import ImportReport
from tests.datasets.formats.sources import ALLOWED, look_at, problems_of, write_source

CLASSES = ("cat", "dog")
NAMES = [f"{name}/{name}_{number}.png" for name in CLASSES for number in range(4)]
SUBSETS = ("train", "train", "test", "val")
ALL_LISTED = {"train": 4, "test": 2, "val": 2}


def lines(subset: str, write: Callable[[str], str] = str) -> str:
    """Return a line for each of the images of a subset: two, one and one of each class."""
    return "".join(f"{write(name)}\n" for index, name in enumerate(NAMES) if SUBSETS[index % 4] == subset)


def lists(pattern: str, write: Callable[[str], str] = str) -> dict[str, str]:
    """Return the three lists by their names, e.g. of the pattern splits/{}.txt."""
    return {pattern.format(subset): lines(subset, write) for subset in ("train", "val", "test")}


def by_class(subset: str) -> str:
    """Return a JSON list as that of Food-101: names without ending by class."""
    named = [name.removesuffix(".png") for name in lines(subset).split()]
    return json.dumps({own: [name for name in named if name.startswith(own)] for own in CLASSES})


def bare(name: str) -> str:
    return name.removesuffix(".png")


def with_index(name: str) -> str:
    return f"{name} {CLASSES.index(name[:3])}"


FOOD = {"meta/train.txt": lines("train", bare), "meta/test.txt": lines("test", bare), "meta/classes.txt": "cat\ndog\n"}
LAYOUTS: dict[str, tuple[str, dict[str, str]]] = {
    "lists beside the class folders": ("", lists("{}.txt")),
    "lists in a folder beside the class folders": ("", lists("splits/{}.txt")),
    "lists of Caltech birds": ("images/", lists("lists/{}.txt")),
    "one numbered set of DTD": ("images/", lists("labels/{}1.txt")),
    "lists deep inside": ("", lists("ImageSets/Main/{}_list.lst", lambda name: name.split("/")[1])),
    "words in camel case": ("Images/", lists("{}Images.txt", lambda name: f"Images/{name}")),
    "names without an ending": ("images/", lists("meta/{}.txt", bare)),
    "JSON by class": ("images/", {f"meta/{name}.json": by_class(name) for name in ALL_LISTED}),
    "JSON with all subsets": ("", {"split.json": json.dumps({name: lines(name).split() for name in ALL_LISTED})}),
    "paths of another machine": ("data/", lists("{}.txt", lambda name: f"/home/me/data/{name}")),
    "paths of Windows": ("", lists("{}.txt", lambda name: "C:\\data\\" + name.replace("/", "\\"))),
    "a label index": ("", lists("{}.txt", with_index)),
    "a label index, no ending": ("", lists("{}.txt", lambda name: with_index(name).replace(".png", ""))),
    "the class name": ("", lists("{}.txt", lambda name: f"{name} {name[:3]}")),
    "the class name behind a tab": ("", lists("{}.txt", lambda name: f"{bare(name)}\t{name[:3]}")),
    "a header": ("", {name: f"filename\n{text}" for name, text in lists("{}.csv").items()}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_lists_become_the_split_of_class_folders(tmp_path: Path, layout: str) -> None:
    folder, texts = LAYOUTS[layout]
    report = look_at(write_source(tmp_path / "in", [folder + name for name in NAMES], texts))
    assert (report.source_format, report.num_images, report.classes) == ("image_folders", 8, ["cat", "dog"])
    assert (report.split_counts, report.num_problems) == (ALL_LISTED, 0)
    (note,) = [note for note in report.notes if note.startswith("Lists that make up the split")]
    assert "(train, 4 images)" in note
    assert "(test, 2 images)" in note


def test_the_layouts_are_as_many_as_are_meant() -> None:
    assert len(LAYOUTS) == 16


def write(root: Path, texts: dict[str, str], folder: str = "") -> Path:
    return write_source(root / "in", [folder + name for name in NAMES], texts)


def test_images_of_no_list_have_no_subset(tmp_path: Path) -> None:
    report = look_at(write(tmp_path, FOOD, "images/"))
    assert report.split_counts == {"train": 4, "test": 2, "none": 2}
    assert "2 images are in no list and in no subset." in report.notes
    assert "6 names without a file ending were matched to the one file of that name." in report.notes
    assert report.num_lost == 0


def test_lines_without_a_file_are_named_and_lose_nothing(tmp_path: Path) -> None:
    texts = lists("{}.txt")
    texts["train.txt"] += "cat/gone.png\n../cat/cat_0.png\ncat/cat_0.png\n"
    report = look_at(write(tmp_path, texts))
    assert (report.split_counts, report.num_lost, report.num_images) == (ALL_LISTED, 0, 8)
    assert problems_of(report, "missing_file") == ["train.txt, line 5"]
    assert problems_of(report, "ambiguous_file") == ["train.txt, line 6"]
    assert {problem.severity for problem in report.problems} == {"warning"}


def test_an_image_of_two_lists_stays_in_the_first(tmp_path: Path) -> None:
    texts = lists("{}.txt")
    texts["test.txt"] += NAMES[0] + "\n"
    texts["val.txt"] += NAMES[4] + "\n"
    report = look_at(write(tmp_path, texts))
    assert (report.split_counts, report.num_lost) == (ALL_LISTED, 0)
    assert problems_of(report, "repeated_row") == ["val.txt, line 3", "test.txt, line 3"]
    assert "is in the lists of train and val; it stays in train" in report.problems[0].message


def test_numbered_lists_are_named_with_the_reason(tmp_path: Path) -> None:
    texts = {
        **lists("labels/{}1.txt"),
        **lists("labels/{}2.txt"),
        "labels/labels_joint_anno.txt": "cat/cat_0.png cat\n",
    }
    report = look_at(write(tmp_path, texts, "images/"))
    assert (report.num_images, report.split_counts) == (8, {})
    (note,) = [note for note in report.notes if note.startswith("Numbered lists are not used")]
    assert "cross-validation" in note
    assert "labels/train1.txt" in note


def test_of_two_sets_of_lists_the_first_is_used_and_the_other_named(tmp_path: Path) -> None:
    texts = {**lists("meta/{}.txt"), "meta/train.json": by_class("train"), "old/train.txt": NAMES[0]}
    report = look_at(write(tmp_path, texts))
    assert report.split_counts == ALL_LISTED
    named = "Lists that are not used, because others name the subsets: meta/train.json, old/train.txt."
    assert named in report.notes


@pytest.mark.parametrize(
    "texts",
    [
        {"train.txt": "I trained on all of them.\n", "test.txt": "0\n1\n0\n"},
        {"train.txt": "tree/1.png\ntree/2.png\n", "test.txt": ""},
        {"train.json": '{"lr": 0.1}', "test.json": "[1, 2]"},
    ],
)
def test_lists_that_name_no_image_are_stray_files(tmp_path: Path, texts: dict[str, str]) -> None:
    report = look_at(write(tmp_path, texts))
    assert (report.num_images, report.split_counts, report.num_problems) == (8, {}, 0)
    assert any(note.startswith("2 other files are not used") for note in report.notes)


def test_a_list_of_every_image_divides_nothing(tmp_path: Path) -> None:
    report = look_at(write(tmp_path, {"train.txt": "\n".join(NAMES)}))
    assert report.split_counts == {}
    assert "Every image is in the list of train, train.txt, so no split was created." in report.notes


def test_folders_of_subsets_and_the_choice_of_the_user_count_more(tmp_path: Path) -> None:
    names = [f"{subset}/{name}" for subset, name in zip(SUBSETS * 2, NAMES, strict=True)]
    root = write_source(tmp_path / "in", names, {"train.txt": "\n".join(names[4:])})
    assert look_at(root).split_counts == ALL_LISTED
    (tmp_path / "other").mkdir()
    assert look_at(write(tmp_path / "other", lists("{}.txt")), split_column="").split_counts == {}


def test_lists_divide_the_images_of_a_table_too(tmp_path: Path) -> None:
    flat = [name.split("/")[1] for name in NAMES]
    texts = lists("splits/{}.txt", lambda name: bare(name.split("/")[1]))
    texts["labels.csv"] = "file,score\n" + "".join(f"{name},{index}.5\n" for index, name in enumerate(flat))
    report = look_at(write_source(tmp_path / "in", [f"images/{name}" for name in flat], texts), "values")
    assert (report.source_format, report.split_counts) == ("csv", ALL_LISTED)


def test_labels_that_are_better_than_the_folders_are_kept(tmp_path: Path) -> None:
    words = {"cat": "tabby", "dog": "beagle"}
    texts = lists("{}.txt", lambda name: f"{name} {words[name[:3]]}")
    report = look_at(write(tmp_path, texts))
    assert (report.source_format, report.classes, report.split_counts) == ("csv", ["beagle", "tabby"], ALL_LISTED)


def test_the_format_that_was_chosen_is_kept(tmp_path: Path) -> None:
    root = write(tmp_path, lists("{}.txt", with_index))
    report = check_source(Source(root, get_kind("label"), ALLOWED, "csv", ImportOptions()), tmp_path)
    assert (report.source_format, report.classes) == ("csv", ["0", "1"])


def test_boxes_of_yolo_are_still_refused(tmp_path: Path) -> None:
    texts = {f"labels/test_{number}.txt": "0 0.5 0.5 0.1 0.1\n" for number in range(2)}
    report = look_at(write_source(tmp_path / "in", ["images/test_0.png", "images/test_1.png"], texts))
    assert not report.can_import
    assert "YOLO" in report.problems[0].message


def test_each_image_gets_the_subset_of_its_line(tmp_path: Path) -> None:
    found = scan_source(Source(write(tmp_path, lists("{}.txt")), get_kind("label"), ALLOWED)).scan
    assert [image.split for image in found.images] == list(SUBSETS * 2)
    assert set(found.read_documents) == {"train.txt", "val.txt", "test.txt"}


def note_of(report: ImportReport) -> str:
    return next(note for note in report.notes if note.startswith("Lists"))


def test_a_test_list_alone_is_used(tmp_path: Path) -> None:
    report = look_at(write(tmp_path, {"test_list.txt": lines("test")}))
    assert report.split_counts == {"test": 2, "none": 6}
    assert note_of(report) == "Lists that make up the split 'original': test_list.txt (test, 2 images)."
