"""The registry: which formats exist, in which order they are asked, and what is said when none fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.annotations.registry import list_kinds_of
from app.datasets.formats.base import SourceError
from app.datasets.formats.coco import Coco
from app.datasets.formats.registry import describe_unknown, get_format, index_formats, list_formats, list_usable
from app.datasets.formats.work import Work
from tests.datasets.pictures import write_image

ALL = ("image_folders", "csv", "coco", "yolo")


def test_formats_are_found_in_the_order_of_detection() -> None:
    assert [name for name in list_formats() if name in ALL] == ["coco", "csv", "image_folders"]
    assert len(list_formats()) >= 3
    for name, item in list_formats().items():
        assert (item.name, bool(item.title), bool(list_kinds_of(name))) == (name, True, True)


def test_two_formats_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="Two import formats have the name 'coco'"):
        index_formats([Coco(), replace(Coco(), rank=99)])


def test_the_usable_formats_keep_their_order() -> None:
    assert [item.name for item in list_usable(("image_folders", "coco"))] == ["coco", "image_folders"]


def test_no_match_says_what_would_fit(tmp_path: Path) -> None:
    usable = list_usable(["csv"])
    assert "folder is empty" in describe_unknown(tmp_path, usable, Work()).message
    (tmp_path / "a.txt").write_text("x")
    refusal = describe_unknown(tmp_path, usable, Work())
    assert refusal.message == "There is no image file in the folder, only 1 other file: a.txt."
    assert "folder that holds the images" in refusal.fix
    write_image(tmp_path / "cat" / "0.png")
    refusal = describe_unknown(tmp_path, usable, Work())
    assert "2 files and 1 folder" in refusal.message
    assert "a.txt" in refusal.message
    assert "Arrange the files in this way: a table" in refusal.fix
    assert "coco" not in refusal.fix


@pytest.mark.parametrize("name", ["yolo", "nonsense", "coco"])
def test_a_format_that_is_not_allowed_or_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(SourceError, match=f"{name}' cannot be imported here") as refusal:
        get_format(name, ["image_folders", "csv", "yolo"])
    assert refusal.value.fix == "Choose one of: csv, image_folders."


@pytest.mark.parametrize("names", [["train.csv"], ["notes/a.docx", "b.txt"], ["x.json", "y/z.toml", "y/a/b.yaml"]])
def test_a_source_without_images_is_refused_as_that(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    refusal = describe_unknown(tmp_path, list_usable(["csv", "image_folders"]), Work())
    assert f"no image file in the folder, only {len(names)} other file" in refusal.message
    assert all(name in refusal.message for name in names)


def test_of_many_other_files_those_at_the_top_are_named_first(tmp_path: Path) -> None:
    for name in ("a/1.txt", "a/b/2.txt", *(f"z{number}.txt" for number in range(6))):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    refusal = describe_unknown(tmp_path, list_usable(["csv"]), Work())
    assert refusal.message.endswith(" 8 other files: z0.txt, z1.txt, z2.txt, z3.txt, z4.txt and 3 more.")
