"""Every number in a sentence about a split is counted again here, from the images themselves."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.annotations.box import Box
from app.annotations.label import Label
from app.annotations.mask import SegmentationMask
from app.annotations.registry import get_kind
from app.annotations.values import Value
from app.datasets.identical import find_identical, measure_split_leaks
from app.datasets.split_warnings import explain_split, find_untrained_classes
from app.datasets.splits import count_split, draw_split
from app.datasets.table import DatasetTable, ImageRecord, StatsRecord
from app.schemas.leaks import SplitLeaks
from app.schemas.splits import SplitCounts, SplitRatios

RATIOS = SplitRatios()
BY_TITLE = {"training": "train", "validation": "val", "test": "test"}
SENTENCES = {
    "test_in_train": r"([\d,]+) of ([\d,]+) test images? (?:is|are) identical to (?:a )?training images?:",
    "val_in_train": r"([\d,]+) of ([\d,]+) validation images? (?:is|are) identical to (?:a )?training images?:",
    "test_in_val": r"([\d,]+) of ([\d,]+) test images? (?:is|are) identical to (?:a )?validation images?:",
    "labels": r"([\d,]+) of the ([\d,]+) groups? of identical images across subsets ha(?:s|ve) more than one label\.",
    "together": r"([\d,]+) images are identical(?:; they are in the same| to another image \(([\d,]+) groups\); each)",
    "advice": r"A new split keeps identical images in one subset\.",
    "few": r"The split has only (\d+) images?:",
    "empty": r"No ((?:training|validation|test)(?: or \w+)*) images(?:: only (\d+) of the (\d+) images differ|\.)",
    "one_class": r"There is only one class \((\w+)\)",
    "single": r"(?:A class has|Classes with) only one image, which is a training image: (.+)\.",
    "missing": r"Classes without (training|validation|test) images: ([^.]+)\.",
    "twins": r"Names of classes differ in letter case only: (.+)\. If they mean the same, merge them when you import\.",
}


def read(warnings: list[str]) -> dict[str, list[tuple[str, ...]]]:
    """Return the numbers and names of each sentence; fails for a sentence that no pattern knows."""
    found = defaultdict(list)
    for warning in warnings:
        matches = [(name, match) for name, pattern in SENTENCES.items() if (match := re.match(pattern, warning))]
        assert len(matches) == 1, warning
        found[matches[0][0]].append(tuple(group or "" for group in matches[0][1].groups()))
    return found


Row = tuple[str, str, str]  # class, content, subset


def check(rows: list[Row], warnings: list[str]) -> None:
    """Count what each sentence says."""
    said = read(warnings)
    used = [row for row in rows if row[2] != "none"]
    size = Counter(subset for _, _, subset in used)
    contents = defaultdict(list)
    for name, content, subset in used:
        contents[content].append((name, subset))
    for key, inside, other in (
        ("test_in_train", "test", "train"),
        ("val_in_train", "val", "train"),
        ("test_in_val", "test", "val"),
    ):
        number = sum(
            subset == inside and any(there == other for _, there in contents[content]) for _, content, subset in used
        )
        assert said[key] == ([(str(number), str(size[inside]))] if number else [])
    groups = [group for group in contents.values() if len(group) > 1]
    across = [group for group in groups if len({subset for _, subset in group}) > 1]
    contradictory = sum(len({name for name, _ in group}) > 1 for group in across)
    assert said["labels"] == ([(str(contradictory), str(len(across)))] if contradictory else [])
    together = [group for group in groups if group not in across]
    assert said["together"] == (
        [(str(sum(map(len, together))), str(len(together)) if len(together) > 1 else "")] if together else []
    )
    for (few,) in said["few"]:
        assert int(few) == len(used) < 3
    for names, differ, of in said["empty"]:
        assert not any(size[BY_TITLE[title]] for title in names.split(" or "))
        assert not differ or (int(differ), int(of)) == (len(contents), len(used))
    of_class = defaultdict(list)
    for name, _, subset in used:
        of_class[name].append(subset)
    single = {name for name, subsets in of_class.items() if subsets == ["train"]}
    assert {name for (names,) in said["single"] for name in names.split(", ")} == single
    assert said["one_class"] == ([(next(iter(of_class)),)] if len(of_class) == 1 else [])
    twins = [("Cat and cat",)] if {"Cat", "cat"} <= of_class.keys() else []
    assert said["twins"] == twins
    for title, names in said["missing"]:
        subset = BY_TITLE[title]
        assert all(subset not in of_class[name] for name in names.split(", "))


CLASSES = st.sampled_from(["ant", "bee", "cat", "Cat", "dog", "eel"])
CONTENTS = st.sampled_from([f"content{number}" for number in range(12)])


def tabulate(rows: list[Row]) -> list[ImageRecord]:
    return [
        ImageRecord(f"{i}.png", 8, 8, [subset], [Label(0, name)], content_hash=content)
        for i, (name, content, subset) in enumerate(rows)
    ]


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.tuples(CLASSES, CONTENTS, st.sampled_from(["train", "val", "test", "none"])), max_size=30))
def test_sentences_about_a_split_that_came_with_the_images_are_true(rows: list[Row]) -> None:
    images, values = tabulate(rows), [subset for _, _, subset in rows]
    stats, by_class = count_split(values, [name for name, _, _ in rows])
    leaks = measure_split_leaks(images, find_identical(images), values)
    check(rows, explain_split(stats, by_class, leaks, None))


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.tuples(CLASSES, CONTENTS, st.just("none")), max_size=40),
    parts=st.tuples(st.integers(1, 10), st.integers(0, 10), st.integers(0, 10)),
    is_hashed=st.booleans(),
)
def test_sentences_about_a_split_that_was_drawn_are_true(
    rows: list[Row], parts: tuple[int, int, int], is_hashed: bool
) -> None:
    images = tabulate(rows if is_hashed else [(name, str(i), subset) for i, (name, _, subset) in enumerate(rows)])
    table = DatasetTable("dataset-00000000", "any", "csv", "", "", [], [], StatsRecord(0, 8, 8, 8, 8, []), images)
    train, val, test = (part / sum(parts) for part in parts)
    drawn = draw_split(table, get_kind("label"), SplitRatios(train=train, val=val, test=test), 0)
    names = [name for name, _, _ in rows]
    contents = [image.content_hash for image in images]
    check(list(zip(names, contents, drawn.values, strict=True)), drawn.warnings)


def test_classes_with_one_image_that_the_sizes_push_out_of_train_are_not_said_to_be_there() -> None:
    """Ten classes of one image each: three of them are in val and test, whatever the rule for train says."""
    images = tabulate([(f"class{i}", str(i), "none") for i in range(10)])
    table = DatasetTable("dataset-00000000", "any", "csv", "", "", [], [], StatsRecord(0, 8, 8, 8, 8, []), images)
    drawn = draw_split(table, get_kind("label"), RATIOS, 0)
    in_train = [f"class{i}" for i, value in enumerate(drawn.values) if value == "train"]
    outside = [f"class{i}" for i, value in enumerate(drawn.values) if value != "train"]
    assert (len(in_train), len(outside)) == (7, 3)
    assert drawn.warnings == [
        f"Classes with only one image, which is a training image: {', '.join(in_train)}.",
        f"Classes without training images: {', '.join(outside)}. The model cannot learn them.",
    ]


@pytest.mark.parametrize(
    ("stats", "by_class", "expected"),
    [
        (SplitCounts(test=4), {"a": SplitCounts(test=2), "b": SplitCounts(test=2)}, "No training images."),
        (
            SplitCounts(train=4, val=1),
            {"a": SplitCounts(train=4), "b": SplitCounts(val=1)},
            "Classes without training images: b. The model cannot learn them.",
        ),
        (SplitCounts(train=1_200), {f"c{i:04}": SplitCounts(train=1) for i in range(1_200)}, "and 1,190 more."),
    ],
)
def test_classes_without_training_images_and_long_lists(
    stats: SplitCounts, by_class: dict[str, SplitCounts], expected: str
) -> None:
    assert any(expected in warning for warning in explain_split(stats, by_class, SplitLeaks(), None))


def test_classes_without_a_training_image_are_found() -> None:
    def table(classes: list[str], images: list[ImageRecord]) -> DatasetTable:
        stats = StatsRecord(len(images), 8, 8, 8, 8, [])
        return DatasetTable("dataset-00000000", "any", "csv", "", "", classes, ["main", "other"], stats, images)

    labels = [("a", "train", "train"), ("b", "val", "train"), ("c", "test", "none"), ("d", "none", "val")]
    rows = [ImageRecord(f"{n}.png", 8, 8, [one, two], [Label(0, n)]) for n, one, two in labels]
    found = table(["a", "b", "c", "d"], rows)
    assert find_untrained_classes(found, "main") == ["b", "c", "d"]
    assert find_untrained_classes(found, "other") == ["c", "d"]
    with pytest.raises(ValueError, match="no such"):
        find_untrained_classes(found, "no such")
    boxes = [Box(0, "a", (0, 0, 1, 1)), Box(1, "b", (0, 0, 1, 1))]
    both = ImageRecord("x.png", 8, 8, ["train", "val"], list(boxes))
    assert find_untrained_classes(table(["a", "b"], [both]), "main") == []
    mask = ImageRecord("x.png", 8, 8, ["val", "val"], [SegmentationMask("x.png")])
    assert find_untrained_classes(table(["a"], [mask]), "main") == []
    value = ImageRecord("x.png", 8, 8, ["val", "val"], [Value([1.0])])
    assert find_untrained_classes(table([], [value]), "main") == []
