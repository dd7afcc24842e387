"""What a report offers beside a kind of problem: options that fix it in one press, tried out on the same source."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.annotations.registry import get_kind
from app.datasets.formats.report.check import check_source
from app.datasets.formats.source import Source
from app.schemas.datasets import ImportOptions
from app.schemas.import_report import ImportReport
from tests.datasets.pictures import write_image

ALLOWED = ("image_folders", "csv", "coco")


def check(root: Path, source_format: str | None = None, **options: object) -> ImportReport:
    return check_source(Source(root, get_kind("label"), ALLOWED, source_format, ImportOptions.model_validate(options)))


def draw(root: Path, **counts: int) -> None:
    for name, count in counts.items():
        for number in range(count):
            write_image(root / name / f"{name}{number}.png")


def press(root: Path, report: ImportReport, kind: str, label: str) -> ImportReport:
    """Return the report after the remedy of this label."""
    (group,) = [group for group in report.groups if group.kind == kind]
    (remedy,) = [remedy for remedy in group.remedies if remedy.label == label]
    return check(root, remedy.source_format, **remedy.options)


def classes_with_one_image(root: Path) -> None:
    draw(root, cat=4, dog=4, Bär=1, Öl=1)


def a_class_without_training(root: Path) -> None:
    draw(root / "train", cat=4, dog=4)
    draw(root / "val", cat=2, dog=2, **{"Bär groß": 2})


def twins(root: Path) -> None:
    draw(root, cat=4, Cat=2, dog=3)


def images_below_a_class(root: Path) -> None:
    draw(root, cat=4, dog=4)
    draw(root / "cat", close=3)


def another_table(root: Path) -> None:
    for number in range(6):
        write_image(root / f"{number}.png")
    rows = "".join(f"{number}.png,{'a' if number % 2 else 'b'}\n" for number in range(6))
    (root / "all 100 %.csv").write_text("file,label\n" + rows)
    (root / "labels.csv").write_text("file,label\n0.png,a\n1.png,a\n2.png,b\n3.png,b\n")


@pytest.mark.parametrize(
    ("arrange", "kind", "label", "images", "classes"),
    [
        (classes_with_one_image, "few_images", "Leave out these 2 classes", 8, ["cat", "dog"]),
        (a_class_without_training, "class_not_in_train", "Leave out this class", 12, ["cat", "dog"]),
        (twins, "class_twins", "Merge these classes", 9, ["cat", "dog"]),
        (images_below_a_class, "nested_folder", "Add them to the class", 11, ["cat", "dog"]),
        (images_below_a_class, "nested_folder", "Make each subfolder a class", 11, ["cat", "close", "dog"]),
    ],
)
def test_a_remedy_fixes_its_kind_of_problem(
    tmp_path: Path, arrange: Callable[[Path], None], kind: str, label: str, images: int, classes: list[str]
) -> None:
    arrange(tmp_path)
    after = press(tmp_path, check(tmp_path), kind, label)
    assert (after.num_images, sorted(after.classes)) == (images, sorted(classes))
    assert kind not in {group.kind for group in after.groups}


def test_another_annotation_file_is_offered_where_one_leaves_images_out(tmp_path: Path) -> None:
    another_table(tmp_path)
    before = check(tmp_path, annotation_file="labels.csv")
    assert (before.num_images, before.num_lost) == (4, 2)
    after = press(tmp_path, before, "not_in_table", "Read all 100 %.csv")
    assert (after.num_images, after.num_lost) == (6, 0)


def test_files_to_choose_from_are_offered_where_none_could_be_chosen(tmp_path: Path) -> None:
    for number in range(4):
        write_image(tmp_path / f"{number}.png")
    for name in ("erste", "zweite"):
        (tmp_path / f"{name}.csv").write_text("file,label\n" + "".join(f"{n}.png,{n % 2}\n" for n in range(4)))
    before = check(tmp_path)
    assert not before.can_import
    after = press(tmp_path, before, "refused", "Read zweite.csv")
    assert (after.num_images, after.can_import) == (4, True)


@pytest.mark.parametrize("chosen", [None, "labels"])
@pytest.mark.parametrize("ending", [".csv", ".json", ".jsonl"])
def test_the_folders_are_offered_where_a_document_contradicts_them(
    tmp_path: Path, ending: str, chosen: str | None
) -> None:
    draw(tmp_path, cat=3, dog=3)
    labels = {f"{name}/{name}{number}.png": name for name in ("cat", "dog") for number in range(3)}
    labels["dog/dog2.png"] = "cat"
    rows = [{"filename": file, "label": label} for file, label in labels.items()]
    texts = {
        ".csv": "filename,label\n" + "".join(f"{file},{label}\n" for file, label in labels.items()),
        ".json": json.dumps(rows),
        ".jsonl": "".join(f"{json.dumps(row)}\n" for row in rows),
    }
    (tmp_path / f"labels{ending}").write_text(texts[ending])
    before = check(tmp_path, annotation_file=chosen and chosen + ending)
    assert before.class_counts == {"cat": 4, "dog": 2}
    after = press(tmp_path, before, "other_folder", "Use the folders as classes")
    assert (after.source_format, after.class_counts) == ("image_folders", {"cat": 3, "dog": 3})
    assert "other_folder" not in {group.kind for group in after.groups}


def test_no_remedy_leaves_fewer_than_two_classes(tmp_path: Path) -> None:
    draw(tmp_path, cat=4, dog=1)
    (group,) = [group for group in check(tmp_path).groups if group.kind == "few_images"]
    assert group.remedies == []
