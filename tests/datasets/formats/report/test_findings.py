"""Classes without training images, and classes that may be meant as one, by dry run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.annotations.label import Label
from app.datasets.formats.base import FoundImage
from app.datasets.formats.report.findings import count_classes, drop_empty_classes, warn_of_classes
from app.datasets.formats.work import Work
from app.schemas.datasets import ImportOptions
from tests.datasets.formats.sources import look_at, problems_of, two_in, write_source

COMPOSED, DECOMPOSED = "\u00c4pfel", "A\u0308pfel"


def test_empty_classes_are_dropped_and_small_ones_named() -> None:
    problems = Work().new_problems()
    counts = count_classes([(Label(0, "cat"),), (Label(0, "cat"),), (Label(2, "elk"),)])
    kept, ids = drop_empty_classes(("cat", "dog", "elk"), counts, problems)
    assert (kept, ids) == (("cat", "elk"), {"cat": 0, "elk": 1})
    assert [(item.file, item.kind) for item in problems.named] == [("dog", "empty"), ("elk", "few_images")]


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (two_in("cat"), {}),
        (["cat/1.png"], {}),
        (two_in("photos/cat"), {}),
        (two_in("train/cat", "test/cat"), {}),
        (two_in("cat", "dog"), {"class_mapping": {"dog": "cat"}}),
        (two_in("cat", "dog"), {"class_mapping": {"dog": None}}),
    ],
)
def test_a_single_class_is_named_as_such(tmp_path: Path, names: list[str], options: dict[str, Any]) -> None:
    report = look_at(write_source(tmp_path / "in", names), **options)
    assert list(report.class_counts) == ["cat"]
    (group,) = [group for group in report.groups if group.kind in {"one_class", "few_images"}]
    assert (group.title, group.count) == ("Only one class", 1)
    assert "at least two classes" in group.examples[0].fix


@pytest.mark.parametrize(
    ("folders", "missing"),
    [
        (["train/a", "val/a", "val/c", "test/d"], ["c", "d"]),
        (["train/a", "train/b", "test/b", "test/c"], ["c"]),
        (["train/a", "train/b", "val/a", "val/b"], []),
        (["val/a", "test/b"], ["a", "b"]),
    ],
)
def test_classes_without_a_training_image_are_named(tmp_path: Path, folders: list[str], missing: list[str]) -> None:
    report = look_at(write_source(tmp_path / "in", two_in(*folders)))
    assert problems_of(report, "class_not_in_train") == missing
    assert report.num_lost == 0


def test_a_class_without_training_images_says_where_its_images_are(tmp_path: Path) -> None:
    report = look_at(write_source(tmp_path / "in", two_in("train/a", "train/b", "val/c", "test/c")))
    assert "'c' has no training image (2 in val and 2 in test)" in report.problems[0].message


@pytest.mark.parametrize(
    ("first", "second", "difference"),
    [
        ("Cat", "cat", "letter case"),
        ("STRASSE", "stra\u00dfe", "letter case"),
        (COMPOSED, DECOMPOSED, "the form of their accented letters"),
        ("red apple", "Red  Apple", "blanks and letter case"),
        ("red apple", "red\u00a0apple", "blanks"),
        ("\u0645\u06cc\u062e", "\u0645\u06cc\u200c\u062e", "invisible characters"),
    ],
)
def test_classes_that_may_be_one_are_merged_in_one_press(
    tmp_path: Path, first: str, second: str, difference: str
) -> None:
    root = write_source(tmp_path / "in", [*two_in(first, second, "other"), f"{first}/3.png"])
    if len(list(root.iterdir())) < 3:
        pytest.skip("This file system takes the two names for one.")
    report = look_at(root)
    (group,) = report.groups
    assert (group.kind, group.count, report.num_lost) == ("class_twins", 1, 0)
    assert f"differ in {difference} only" in group.examples[0].message
    (remedy,) = group.remedies
    assert remedy.options == {"class_mapping": {second: first}}
    merged = look_at(root, **remedy.options)
    assert (merged.class_counts, merged.groups) == ({first: 5, "other": 2}, [])


def test_the_class_with_training_images_keeps_its_name_and_a_mapping_is_kept(tmp_path: Path) -> None:
    root = write_source(tmp_path / "in", [*two_in("train/Cat", "train/x", "val/cat", "val/x"), "val/cat/3.png"])
    mapping = {"x": "bird"}
    report = look_at(root, class_mapping=mapping)
    (remedy,) = next(group for group in report.groups if group.kind == "class_twins").remedies
    assert remedy.options == {"class_mapping": {"x": "bird", "cat": "Cat"}}
    assert look_at(root, **remedy.options).class_counts == {"Cat": 5, "bird": 4}


@pytest.mark.parametrize(
    ("counts", "mapping"),
    [
        ({"Cat": 2, " cat": 2}, {" cat": "Cat"}),
        ({"cat": 2, "cat ": 4}, {"cat ": "cat"}),
        ({COMPOSED: 2, DECOMPOSED: 3}, {DECOMPOSED: COMPOSED}),
        ({" cat": 3, "Cat  ": 2}, {" cat": "cat", "Cat  ": "cat"}),
        ({"red  apple": 3, "red apple": 2}, {"red  apple": "red apple"}),
    ],
)
def test_classes_are_merged_into_the_tidy_name(counts: dict[str, int], mapping: dict[str, str]) -> None:
    found: list[FoundImage] = []
    for index, (name, number) in enumerate({**counts, "other": 2}.items()):
        found += [FoundImage(Path(f"{name}/{i}.png"), f"{name}/{i}.png", (Label(index, name),)) for i in range(number)]
    problems = Work().new_problems()
    warn_of_classes(found, [*counts, "other"], ImportOptions(), problems)
    (group,) = problems.groups
    assert group.remedies[0].options == {"class_mapping": mapping}
