"""An annotation file given as the source, whose images lie beside its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.annotations.registry import get_kind
from app.datasets.formats import source_root
from app.datasets.formats.report.check import check_source
from app.datasets.formats.source import Source
from app.datasets.formats.work import Work
from app.schemas.datasets import ImportOptions
from tests.datasets.formats.sources import coco_document, look_at, write_source
from tests.datasets.formats.tables.test_open_tables import ROWS, write_table

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


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".json"])
def test_another_document_can_be_read_instead_of_the_one_that_was_given(tmp_path: Path, ending: str) -> None:
    root = write_source(tmp_path / "in", [*(f"images/{name}" for name in NAMES), "images/other.png"])
    (root / "labels").mkdir()
    given = root / "labels" / "some.csv"
    given.write_text("filename,label\n" + "".join(f"{name},{label}\n" for name, label in ROWS[:3]))
    other = write_table(root / f"all{ending}")
    before = look_at(given)
    assert (before.num_images, before.num_lost, other.name in before.documents) == (3, 2, True)
    (remedy,) = [
        remedy
        for group in before.groups
        for remedy in group.remedies
        if remedy.options.get("annotation_file") == other.name
    ]
    after = look_at(given, **remedy.options)
    assert (after.num_images, after.num_lost) == (4, 1)


@pytest.mark.parametrize("lost", [[], ["extra.png"]])
@pytest.mark.parametrize(
    ("document", "own", "beside"),
    [
        ("annotations/instances_val2017.json", "val2017", "train2017"),
        ("annotations/instances_val.json", "images/val", "images/train"),
        ("instances_val2017.json", "val2017", "train2017"),
        ("test.json", "test", "unlabeled2017/deep"),
    ],
)
def test_images_beside_those_of_a_document_are_noted_and_not_lost(
    tmp_path: Path, document: str, own: str, beside: str, lost: list[str]
) -> None:
    files = [*(f"{own}/{name}" for name in (*NAMES, *lost)), *(f"{beside}/{number}.png" for number in range(10, 13))]
    root = write_source(tmp_path / "in", files, {document: coco_document(NAMES)})
    report = look_at(root / document)
    assert (report.num_images, report.num_files, report.num_lost) == (4, 4 + len(lost), len(lost))
    told = f"3 images lie in folders that the annotation file does not name and does not count: {beside}."
    assert told in report.notes
    assert look_at(root, annotation_file=document).num_lost == 3 + len(lost)


@pytest.mark.parametrize("document", ["labels.csv", "annotations/labels.csv"])
@pytest.mark.parametrize("own", ["workspace", "images/workspace", "tools/studio"])
def test_the_workspace_is_no_part_of_a_source_around_it(tmp_path: Path, document: str, own: str) -> None:
    files = [*(f"images/{name}" for name in NAMES), f"{own}/projects/p/images/7.png"]
    root = write_source(tmp_path / "in", files)
    (root / document).parent.mkdir(exist_ok=True)
    rows = [*(f"images/{name},{label}" for name, label in ROWS), f"{own}/projects/p/images/7.png,a", "7,b"]
    (root / document).write_text("filename,label\n" + "\n".join(rows) + "\n")
    for source in (root, root / document):
        work = Work(workspace=str(root / own))
        report = check_source(Source(source, get_kind("label"), ("csv", "coco"), None, ImportOptions(), work), tmp_path)
        assert (report.num_images, report.num_files, report.num_unused_entries) == (4, 4, 2)
        assert f"The folder {own} is the workspace of AI Studio and is not read." in report.notes


def test_a_source_inside_the_workspace_is_read_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "workspace" / "uploads").mkdir(parents=True)
    root = write_source(tmp_path / "workspace" / "uploads" / "in", [f"{name}/{n}.png" for name in "ab" for n in "01"])
    work = Work(workspace=str(tmp_path / "workspace"))
    report = check_source(Source(root, get_kind("label"), ("image_folders",), None, ImportOptions(), work), tmp_path)
    assert (report.num_images, report.notes) == (4, [])
