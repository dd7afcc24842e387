"""The registry: which formats exist, in which order they are asked, and what is said when none fits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.datasets.formats.base import SourceError
from app.datasets.formats.coco import Coco
from app.datasets.formats.registry import detect_format, get_format, index_formats, list_formats
from app.datasets.formats.work import Work
from app.schemas.datasets import ImportOptions
from tests.datasets.pictures import write_image

ALL = ("image_folders", "csv", "coco", "yolo")
NO_OPTIONS = ImportOptions()


def test_formats_are_found_in_the_order_of_detection() -> None:
    assert [name for name in list_formats() if name in ALL] == ["coco", "csv", "image_folders"]
    assert len(list_formats()) >= 3
    for name, item in list_formats().items():
        assert (item.name, bool(item.title), bool(item.annotation_kinds)) == (name, True, True)


def test_two_formats_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="Two import formats have the name 'coco'"):
        index_formats([Coco(), replace(Coco(), rank=99)])


def test_the_first_that_matches_is_taken(tmp_path: Path) -> None:
    write_image(tmp_path / "cat" / "a.png")
    assert detect_format(tmp_path, ALL, NO_OPTIONS, Work()).name == "image_folders"
    (tmp_path / "labels.csv").write_text("filename,label\n")
    assert detect_format(tmp_path, ALL, NO_OPTIONS, Work()).name == "csv"
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "a.json").write_text(json.dumps({"images": [], "annotations": [], "categories": []}))
    assert detect_format(tmp_path, ALL, NO_OPTIONS, Work()).name == "coco"
    assert detect_format(tmp_path, ["image_folders"], NO_OPTIONS, Work()).name == "image_folders"


def test_no_match_says_what_would_fit(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="folder is empty"):
        detect_format(tmp_path, ALL, NO_OPTIONS, Work())
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(SourceError, match="1 files and 0 folders") as refusal:
        detect_format(tmp_path, ["csv"], NO_OPTIONS, Work())
    assert "csv: a table" in refusal.value.fix
    assert "coco" not in refusal.value.fix


@pytest.mark.parametrize("name", ["yolo", "nonsense", "coco"])
def test_a_format_that_is_not_allowed_or_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(SourceError, match=f"{name}' cannot be imported here") as refusal:
        get_format(name, ["image_folders", "csv", "yolo"])
    assert refusal.value.fix == "Choose one of: csv, image_folders."
