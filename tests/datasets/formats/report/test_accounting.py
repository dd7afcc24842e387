"""What a format neither reads nor names is found and named, folder by folder, and other files are noted."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from app.datasets.formats.report.accounting import list_file_names
from tests.datasets.formats.sources import coco_document, look_at, problems_of, two_in, write_source
from tests.datasets.pictures import write_image

TABLE = "filename,label\na.png,cat\nb.png,dog\n"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


@pytest.mark.parametrize(
    ("name", "text"), [("labels.csv", TABLE), ("labels.json", coco_document(["a.png", "b.png"], ("cat", "dog")))]
)
def test_images_that_a_document_does_not_name_are_counted(tmp_path: Path, name: str, text: str) -> None:
    images = ["a.png", "b.png", "c.png", *two_in("more"), "more/deep/er.png"]
    report = look_at(write_source(tmp_path / "in", images, {name: text}))
    assert (report.num_images, report.num_files, report.num_lost) == (2, 6, 4)
    assert problems_of(report, "not_in_table") == ["c.png", "more", "more/deep/er.png"]
    (group,) = [group for group in report.groups if group.kind == "not_in_table"]
    assert (group.count, group.num_images, group.severity) == (3, 4, "error")
    assert f"2 images are not named by {name}: 0.png, 1.png" in group.examples[1].message
    fixes = [example.fix for example in group.examples[:2]]
    assert fixes == [f"Add {them} to the annotation file, or remove {them}." for them in ("it", "them")]


def test_images_of_any_name_are_seen(tmp_path: Path) -> None:
    root = write_source(tmp_path / "in", [*two_in("cat", "dog")])
    for name in ("UPPER.JPG", "scan0001", "strange.dat"):
        write_image(root / "a.jpg").rename(root / name)
    for name in ("phone.HEIC", "phone.avif", "drawing.svg", "raw.NEF"):
        (root / name).write_bytes(HEIC)
    report = look_at(root)
    assert (report.num_images, report.num_files, report.num_lost) == (4, 11, 7)
    assert "7 images are outside the class folders" in report.problems[0].message


def test_other_files_are_one_note_and_no_problem(tmp_path: Path) -> None:
    names = ("README", "cat/0.txt", "dog/notes.md", "class_to_idx.json", "a.xml", "data.yaml")
    texts = dict.fromkeys(names, "BM of a text")
    report = look_at(write_source(tmp_path / "in", two_in("cat", "dog"), texts))
    assert (report.num_problems, report.num_files, report.class_counts) == (0, 4, {"cat": 2, "dog": 2})
    (note,) = report.notes
    assert note == "6 other files are not used: README, a.xml, class_to_idx.json, data.yaml, cat/0.txt and 1 more."


@pytest.mark.parametrize(
    "folder",
    [
        *("$RECYCLE.BIN/S-1-5", ".Trash-1000/files", "@eaDir/1.png", ".ipynb_checkpoints", "lost+found", "#recycle"),
        *("RECYCLER", "RECYCLED", "@__thumb", "~snapshot", "MSOCache", "__MACOSX"),
        *("found.000", "FOUND.001", "Found.127"),
    ],
)
def test_images_in_system_folders_are_a_note_and_never_a_class(tmp_path: Path, folder: str) -> None:
    report = look_at(write_source(tmp_path / "in", two_in("cat", "dog", folder, f"cat/{folder}")))
    assert (report.classes, report.num_files, report.num_problems) == (["cat", "dog"], 4, 0)
    assert report.notes[0].startswith("4 images in hidden, system or program folders are not read: ")


@pytest.mark.parametrize("name", ["found.1", "found.0001", "FOUND_001", "found.abc"])
def test_a_class_of_found_things_is_no_system_folder(tmp_path: Path, name: str) -> None:
    report = look_at(write_source(tmp_path / "in", two_in("cat", name)))
    assert (report.num_files, sorted(report.class_counts.values())) == (4, [2, 2])


def test_what_macos_leaves_beside_images_is_not_counted(tmp_path: Path) -> None:
    root = write_source(tmp_path / "in", two_in("cat", "dog", "__MACOSX"))
    (root / "__MACOSX" / "._1.png").write_bytes(b"\0\5\x16\7")
    report = look_at(root)
    assert report.notes == ["2 images in hidden, system or program folders are not read: __MACOSX."]


def test_a_class_of_a_recycling_plant_is_no_bin(tmp_path: Path) -> None:
    report = look_at(write_source(tmp_path / "in", two_in("recycled", "Recycler")))
    assert (report.classes, report.notes) == (["Recycler", "recycled"], [])


def test_hidden_images_of_a_zip_are_a_note_too(tmp_path: Path) -> None:
    root = write_source(tmp_path / "in", two_in("cat", "dog", ".Trash", "__MACOSX"))
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for path in root.rglob("*.png"):
            archive.write(path, path.relative_to(root))
    report = look_at(tmp_path / "in.zip")
    assert (report.classes, report.num_files, report.num_problems) == (["cat", "dog"], 4, 0)
    assert report.notes == ["4 images in hidden, system or program folders are not read: .Trash, __MACOSX."]


def test_links_are_named_and_never_followed_outside(tmp_path: Path) -> None:
    root = write_source(tmp_path / "in", two_in("cat", "dog"))
    write_image(tmp_path / "secret" / "s.png")
    (root / "cat" / "out.png").symlink_to(tmp_path / "secret" / "s.png")
    (root / "cat" / "gone.png").symlink_to("nothing.png")
    (root / "bird").symlink_to(tmp_path / "secret")
    (root / "dog" / "same.png").symlink_to("0.png")
    (root / "loop").symlink_to(root)
    report = look_at(root)
    assert problems_of(report, "link") == ["bird", "loop", "cat/gone.png", "cat/out.png"]
    assert (report.class_counts, report.num_files, report.num_lost) == ({"cat": 2, "dog": 3}, 7, 2)


def test_a_class_folder_that_is_a_link_inside_is_read(tmp_path: Path) -> None:
    root = write_source(tmp_path / "in", [*two_in("pool/a", "pool/b"), "train/c/0.png", "val/c/0.png"])
    (root / "train" / "a").symlink_to("../pool/a")
    (root / "val" / "b").symlink_to("../pool/b")
    report = look_at(root)
    assert report.class_counts == {"a": 2, "b": 2, "c": 2}
    assert (report.num_files, report.num_lost, report.split_counts) == (6, 0, {"train": 3, "val": 3})


def test_the_first_names_are_those_at_the_top() -> None:
    assert list_file_names(["b/c", "z", "a"]) == "a, z, b/c"
    assert list_file_names([f"{number}" for number in range(7)]) == "0, 1, 2, 3, 4 and 2 more"
    assert list_file_names(["bad\udce4"]) == "bad\\xe4"
