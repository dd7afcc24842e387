"""JSON files that are tables: lists of records, and one value for each name. Other JSON is refused by what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.annotations.registry import get_kind
from app.datasets.formats.base import SourceError
from app.datasets.formats.csv_table import FORMAT
from app.datasets.formats.report.check import check_source
from app.datasets.formats.source import Source
from app.datasets.formats.work import LimitError, Work
from app.schemas.datasets import ImportOptions
from app.schemas.payloads import ImportLimits
from tests.datasets.formats.scanned import labels, scan_table, values, write_files
from tests.datasets.formats.sources import ALLOWED, look_at, write_source

NAMES = ["0.png", "1.png"]


def records(key: str, *targets: Any) -> list[dict[str, Any]]:
    return [{"file_name": f"{number}.png", key: target} for number, target in enumerate(targets)]


@pytest.mark.parametrize(
    "content",
    [
        records("label", "cat", "dog"),
        [{**record, "box": {"x": 1}, "tags": ["a", "b"]} for record in records("label", "cat", "dog")],
        [
            {"image": f"/data/upload/1/{name}", "annotator": 1, "choice": own}
            for name, own in zip(NAMES, ["cat", "dog"], strict=True)
        ],
        {"0.png": "cat", "1.png": "dog"},
        {"images/0.png": "cat", "images/1.png": "dog"},
    ],
)
def test_records_are_rows(tmp_path: Path, content: Any) -> None:
    root = write_files(tmp_path / "in", *(f"images/{name}" for name in NAMES))
    found = scan_table(root, json.dumps(content), name="labels.json")
    assert labels(found) == [("images/0.png", "cat"), ("images/1.png", "dog")]
    assert FORMAT.is_match(root, ImportOptions(), Work())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (records("value", 1.5, 2), [[1.5], [2.0]]),
        (records("size", [1, 2], [3, 4]), [[1.0, 2.0], [3.0, 4.0]]),
        ({"0.png": 1.5, "1.png": 2.5}, [[1.5], [2.5]]),
    ],
)
def test_numbers_are_values(tmp_path: Path, content: Any, expected: list[list[float]]) -> None:
    root = write_files(tmp_path / "in", *NAMES)
    assert values(scan_table(root, json.dumps(content), "values", "labels.json")) == expected


def test_an_entry_that_is_no_object_is_named(tmp_path: Path) -> None:
    root = write_files(tmp_path / "in", *NAMES)
    found = scan_table(root, json.dumps([*records("label", "cat", "dog"), 5]), name="labels.json")
    assert [problem.file for problem in found.problems.named] == ["labels.json, row 3"]
    assert len(found.images) == 2


@pytest.mark.parametrize(
    "content",
    [
        '{"images": [], "annotations": [], "categories": []}',
        '{"cat": 0, "dog": 1}',
        "[1, 2]",
        "[]",
        "{",
        '[{"image_id": 1, "category_id": 2, "score": 0.5}]',
        '[{"id": 1, "data": {}, "annotations": []}]',
    ],
)
def test_other_json_is_no_table(tmp_path: Path, content: str) -> None:
    root = write_files(tmp_path / "in", *NAMES)
    (root / "a.json").write_text(content)
    assert not FORMAT.is_match(root, ImportOptions(), Work())
    with pytest.raises(SourceError):
        FORMAT.scan(root, get_kind("label"), ImportOptions(annotation_file="a.json"), Work())


def test_a_list_of_classes_does_not_hide_class_folders(tmp_path: Path) -> None:
    images = ["0/0.png", "0/2.png", "1/1.png", "1/3.png"]
    root = write_source(tmp_path / "in", images, {"class_names.json": '{"0": "cat", "1": "dog"}'})
    assert look_at(root).source_format == "image_folders"


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    root = write_files(tmp_path / "in", *NAMES)
    (root / "a.json").write_text(json.dumps(records("label", *["cat"] * 200)))
    work = Work(ImportLimits(max_annotation_bytes=1000))
    with pytest.raises(LimitError):
        FORMAT.scan(root, get_kind("label"), ImportOptions(annotation_file="a.json"), work)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.json", json.dumps(records("label", "cat", "dog"))),
        ("labels.txt", "0.png cat\n1.png dog\n"),
        ("list.TXT", "filename,label\n0.png,cat\n1.png,dog\n"),
        ("labels.csv", "filename,label\n0.png,cat\n1.png,dog\n"),
    ],
)
def test_a_table_is_offered_and_can_be_the_source_itself(tmp_path: Path, name: str, text: str) -> None:
    root = write_source(tmp_path / "in", NAMES, {name: text, "README.txt": "Pictures of pets, by name.\n"})
    report = look_at(root)
    assert (report.source_format, report.num_images, report.documents) == ("csv", 2, [name])
    named = check_source(Source(root / name, get_kind("label"), ALLOWED, None, ImportOptions(), Work()), tmp_path)
    assert (named.source_format, named.num_images, named.class_counts) == ("csv", 2, {"cat": 1, "dog": 1})


def test_a_text_file_that_is_no_table_is_refused_as_the_source(tmp_path: Path) -> None:
    root = write_source(tmp_path / "in", NAMES, {"README.txt": "Pictures of pets, by name.\n"})
    report = check_source(
        Source(root / "README.txt", get_kind("label"), ALLOWED, None, ImportOptions(), Work()), tmp_path
    )
    assert not report.can_import
    assert report.problems[0].message
