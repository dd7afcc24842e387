"""One folder per class: classes, subsets, and what is wrong in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.datasets.formats.base import Scan, SourceError
from app.datasets.formats.image_folders import FORMAT
from app.datasets.formats.work import Work
from app.datasets.table import Label
from app.schemas.datasets import ImportOptions
from app.schemas.payloads import ImportLimits
from tests.datasets.pictures import write_image


def scan(root: Path) -> Scan:
    return FORMAT.scan(root.resolve(), "label", ImportOptions(), Work())


def test_folders_are_classes_in_order(tmp_path: Path) -> None:
    for name in ("dog", "Cat", "ant"):
        write_image(tmp_path / name / "1.png")
    found = scan(tmp_path)
    assert found.classes == ("Cat", "ant", "dog")
    assert [(image.name, image.annotations) for image in found.images] == [
        ("Cat/1.png", (Label(0, "Cat"),)),
        ("ant/1.png", (Label(1, "ant"),)),
        ("dog/1.png", (Label(2, "dog"),)),
    ]
    assert (found.problems.num_problems, found.has_split) == (0, False)


def test_classes_that_are_numbers_are_in_order_of_number(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        write_image(tmp_path / str(number) / "a.png")
    assert scan(tmp_path).classes == ("1", "2", "10")


def test_junk_is_ignored_in_silence(tmp_path: Path) -> None:
    write_image(tmp_path / "cat" / "1.png")
    for name in (".DS_Store", "cat/Thumbs.db", "cat/._1.png", "__MACOSX/cat/._1.png", ".hidden/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(b"junk")
    found = scan(tmp_path)
    assert ([image.name for image in found.images], found.problems.num_problems) == (["cat/1.png"], 0)


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "validation", "TEST"), ("train", "valid")])
def test_subset_folders_become_a_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        write_image(tmp_path / name / "cat" / f"{name}.png")
    write_image(tmp_path / names[0] / "dog" / "d.png")
    found = scan(tmp_path)
    assert found.classes == ("cat", "dog")
    assert {image.split for image in found.images} == {"train", "val", "test"} - (
        {"test"} if len(names) == 2 else set()
    )


def test_a_class_may_be_called_test(tmp_path: Path) -> None:
    for name in ("test", "control"):
        write_image(tmp_path / name / "a.png")
    assert scan(tmp_path).classes == ("control", "test")


def test_what_lies_beside_the_folders_is_named(tmp_path: Path) -> None:
    write_image(tmp_path / "train" / "cat" / "a.png")
    write_image(tmp_path / "train" / "loose.png")
    write_image(tmp_path / "extra" / "b.png")
    write_image(tmp_path / "top.png")
    (tmp_path / "README.txt").write_text("about")
    found = scan(tmp_path)
    assert {item.file for item in found.problems.named} == {"train/loose.png", "extra/b.png", "top.png"}
    assert len(found.images) == 1


def test_an_empty_class_folder_is_warned_of(tmp_path: Path) -> None:
    write_image(tmp_path / "cat" / "a.png")
    (tmp_path / "dog").mkdir()
    found = scan(tmp_path)
    assert (found.classes, [item.file for item in found.problems.named]) == (("cat",), ["dog"])


def test_images_without_class_folders_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    with pytest.raises(SourceError, match="directly in the folder"):
        scan(tmp_path)


@pytest.mark.parametrize(("folders", "message"), [((), "is empty"), (("cat", "dog"), "No folder has images")])
def test_a_folder_without_images_is_refused(tmp_path: Path, folders: tuple[str, ...], message: str) -> None:
    for name in folders:
        (tmp_path / name).mkdir()
    with pytest.raises(SourceError, match=message):
        scan(tmp_path)


def test_the_number_of_files_is_limited(tmp_path: Path) -> None:
    for i in range(3):
        write_image(tmp_path / "cat" / f"{i}.png")
    with pytest.raises(SourceError, match="more than 2 entries"):
        FORMAT.scan(tmp_path.resolve(), "label", ImportOptions(), Work(ImportLimits(max_entries=2)))


def test_matching_looks_at_contents(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.png").write_text("no image")
    assert not FORMAT.is_match(tmp_path, ImportOptions(), Work())
    write_image(tmp_path / "train" / "cat" / "b.png")
    assert FORMAT.is_match(tmp_path, ImportOptions(), Work())
