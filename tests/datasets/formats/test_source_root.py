"""An annotation file given as the source, whose images lie beside its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.datasets.formats import source_root
from tests.datasets.formats.sources import coco_document, look_at, write_source
from tests.datasets.formats.test_open_tables import ROWS, write_table

NAMES = [name for name, _ in ROWS]


@pytest.mark.parametrize(
    ("document", "folder"),
    [
        ("annotations/instances.json", "images"),
        ("annotations/instances_train2017.json", "train2017"),
        ("annotations/instances_default.json", "val2017"),
        ("annotations/instances.json", "Fotos 2024"),
        ("annotations/coco/instances.json", "images"),
        ("labels/all.json", "data/raw"),
        ("my notes/instances.json", "images"),
    ],
)
def test_a_coco_file_finds_the_images_beside_its_folder(tmp_path: Path, document: str, folder: str) -> None:
    files = [f"{folder}/{name}" for name in NAMES]
    root = write_source(tmp_path / "in", files, {document: coco_document(NAMES)})
    report = look_at(root / document)
    assert (report.source_format, report.class_counts, report.num_lost) == ("coco", {"apple": 2, "pear": 2}, 0)
    assert any(note.startswith("Read from in, because there are no images in") for note in report.notes)


@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".jsonl", ".json", ".txt"])
@pytest.mark.parametrize(("place", "folder"), [("", ""), ("", "images"), ("labels", "images"), ("tables", "train")])
def test_a_table_finds_the_images_beside_it_or_beside_its_folder(
    tmp_path: Path, ending: str, place: str, folder: str
) -> None:
    root = write_source(tmp_path / "in", [f"{folder}/{name}" if folder else name for name in NAMES])
    (root / place).mkdir(exist_ok=True)
    report = look_at(write_table(root / place / f"labels{ending}"))
    assert (report.source_format, report.class_counts, report.num_lost) == ("csv", {"a": 2, "b": 2}, 0)


@pytest.mark.parametrize(("place", "folder"), [("notes", "Fotos"), ("a/b/annotations", "images")])
def test_folders_further_away_are_not_looked_into(tmp_path: Path, place: str, folder: str) -> None:
    root = write_source(tmp_path / "in", [f"{folder}/{name}" for name in NAMES])
    (root / place).mkdir(parents=True)
    table = write_table(root / place / "labels.csv")
    assert not look_at(table).can_import


def test_the_folder_of_a_user_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_source(tmp_path / "in", [f"Pictures/{name}" for name in NAMES])
    (root / "labels").mkdir()
    table = write_table(root / "labels" / "labels.csv")
    assert look_at(table).can_import
    monkeypatch.setattr(source_root, "_find_own_folders", lambda: (root,))
    assert not look_at(table).can_import


def test_images_in_the_folder_of_the_document_count_more(tmp_path: Path) -> None:
    root = write_source(tmp_path / "in", [*(f"labels/{name}" for name in NAMES), "images/other.png"])
    report = look_at(write_table(root / "labels" / "labels.csv"))
    assert (report.num_images, report.num_files, report.num_lost) == (4, 4, 0)
