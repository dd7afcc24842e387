"""Classes that stand in the names of the files and not in folders: the refusal or the warning says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.datasets.formats.layouts.classes_in_names import SORT_BY_NAME, describe_classes_in_names
from tests.datasets.formats.sources import look_at, write_source

NAMES = {
    "cat.0 cat.1 dog.0 dog.1": "'cat' (2), 'dog' (2)",
    "Abyssinian_1 Abyssinian_100 american_bulldog_1 american_bulldog_2": "'Abyssinian' (2), 'american_bulldog' (2)",
    "Cr_1 Cr_2 PS_1 PS_2": "'Cr' (2), 'PS' (2)",
    "ok-front-1 ok-front-2 def-front-1 def-front-2": "'ok-front' (2), 'def-front' (2)",
}
WITHOUT = (
    *("image_0001 image_0002 image_0003", "0001 0002 0003 0004", "train_1 train_2 test_1 test_2", "a1 b2 c3 d4"),
    *("100_0_0_201701 26_1_2_201701 26_1_3_201701", "cat.0 cat.1 dog.0 dog.1 1 2 3 4"),
)


@pytest.mark.parametrize("names", NAMES)
def test_the_words_before_the_numbers_are_named(names: str) -> None:
    assert (
        describe_classes_in_names(f"in/{name}.jpg" for name in names.split())
        == f"The file names begin with {NAMES[names]}."
    )


def test_other_names_say_nothing() -> None:
    assert [names for names in WITHOUT if describe_classes_in_names(f"{name}.jpg" for name in names.split())] == []
    assert len(WITHOUT) == 6


@pytest.mark.parametrize("folder", ["", "train/", "images/"])
def test_a_refusal_names_them(tmp_path: Path, folder: str) -> None:
    names = [f"{folder}{word}.{number}.png" for word in ("cat", "dog") for number in range(3)]
    report = look_at(write_source(tmp_path / "in", [*names, "test1/1.png"] if folder == "train/" else names))
    assert not report.can_import
    assert "The file names begin with 'cat' (3), 'dog' (3)." in report.problems[0].message
    assert SORT_BY_NAME in report.problems[0].fix


def test_a_single_class_gets_a_warning(tmp_path: Path) -> None:
    names = [f"NEU-CLS/{word}_{number}.png" for word in ("Cr", "Sc", "RS") for number in range(2)]
    report = look_at(write_source(tmp_path / "in", names))
    assert report.class_counts == {"NEU-CLS": 6}
    messages = [problem.message for problem in report.problems if problem.kind == "doubtful_class"]
    assert messages == ["All images are in one class. The file names begin with 'Cr' (2), 'RS' (2), 'Sc' (2)."]


def test_a_single_class_with_one_kind_of_names_gets_none(tmp_path: Path) -> None:
    report = look_at(write_source(tmp_path / "in", [f"cats/img_{number}.png" for number in range(4)]))
    assert [problem.kind for problem in report.problems] == ["one_class"]
