"""Options of an import that do not apply to the format of the source are named in its notes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.datasets.formats.registry import list_formats
from app.schemas.datasets import ImportOptions
from tests.datasets.formats.sources import coco_document, look_at, two_in, write_source

FOLDERS = two_in("apple", "pear")
TABLE = "file,label\n" + "".join(f"{name},{name.partition('/')[0]}x\n" for name in FOLDERS)
COCO = coco_document(FOLDERS)


@pytest.mark.parametrize(
    ("texts", "options", "note"),
    [
        ({}, {"filename_column": "xx"}, "The option filename_column does not apply to the format Image folders"),
        ({}, {"annotation_file": "zz"}, "The option annotation_file does not apply to the format Image folders"),
        ({}, {"target_columns": ["a"]}, "The option target_columns does not apply to the format Image folders"),
        (
            {},
            {"filename_column": "xx", "split_column": "s", "annotation_file": "zz.csv"},
            "The options filename_column, split_column and annotation_file do not apply to the format Image folders",
        ),
        (
            {"t.csv": TABLE},
            {"nested_folders": "own_class", "target_columns": ["label"]},
            "The option nested_folders does not apply to the format Table",
        ),
        (
            {"coco.json": COCO},
            {"filename_column": "xx", "annotation_file": "coco.json"},
            "The option filename_column does not apply to the format COCO",
        ),
    ],
)
def test_an_option_that_does_not_apply_is_named(
    tmp_path: Path, texts: dict[str, str], options: dict[str, Any], note: str
) -> None:
    root = write_source(tmp_path / "in", FOLDERS, texts)
    report = look_at(root, **options)
    assert report.num_images == len(FOLDERS)
    assert [text for text in report.notes if text.startswith(note)] == [
        f"{note} and {'are' if ' and ' in note else 'is'} not used."
    ]


@pytest.mark.parametrize(
    ("texts", "options"),
    [
        ({}, {}),
        ({}, {"nested_folders": "into_class", "split_column": "", "class_mapping": {"apple": "fruit"}}),
        ({}, {"filename_column": "", "target_columns": []}),
        ({"t.csv": TABLE}, {"filename_column": "file", "target_columns": ["label"], "annotation_file": "t.csv"}),
        ({"coco.json": COCO}, {"annotation_file": "coco.json"}),
    ],
)
def test_options_that_apply_are_no_note(tmp_path: Path, texts: dict[str, str], options: dict[str, Any]) -> None:
    root = write_source(tmp_path / "in", FOLDERS, texts)
    assert not [text for text in look_at(root, **options).notes if "does not apply" in text or "do not apply" in text]


def test_every_option_of_a_format_is_one_of_an_import() -> None:
    assert len(list_formats()) >= 3
    for item in list_formats().values():
        assert item.own_options
        assert item.own_options <= set(ImportOptions.model_fields)
