"""The import job: what lies in the output directory afterwards, for every mode and for sources that are wrong."""

from __future__ import annotations

import csv
import errno
import os
import zipfile
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.annotations.label import Label
from app.annotations.values import Value
from app.datasets.importing import importer
from app.datasets.table import source_name_of
from app.schemas.datasets import ImportMode
from app.schemas.events import StageStatus
from app.schemas.job_context import JobCancelled, JobFailure
from tests.datasets.jobs import FakeContext, make_payload, read_table
from tests.datasets.pictures import gradient, write_image, write_truncated_jpeg


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """Two classes of three images."""
    for name in ("cat", "dog"):
        for i in range(3):
            write_image(tmp_path / "animals" / name / f"{name}{i}.png", gradient(20 + i, 30 + (name == "dog")))
    return tmp_path / "animals"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_images_thumbnails_and_table_are_written(animals: Path, out: Path) -> None:
    result = importer.run(FakeContext(out, make_payload(animals)))
    names = {f"{name}{i}.png" for name in ("cat", "dog") for i in range(3)}
    assert files_below(out) == {"dataset.json", *(f"images/{n}" for n in names), *(f".thumbs/{n}.jpg" for n in names)}
    table = read_table(out)
    assert (result["num_images"], result["num_problems"], result["classes"]) == (6, 0, ["cat", "dog"])
    assert (table.classes, table.source_format, table.import_mode) == (["cat", "dog"], "image_folders", "copy")
    assert (table.image_stats.min_height, table.image_stats.max_height, table.image_stats.formats) == (20, 22, ["png"])
    assert (table.split_names, table.splits, table.source_path) == ([], [], "animals")
    assert table.images[4].annotations == [Label(1, "dog")]


def test_each_image_has_the_hash_and_size_of_its_file(animals: Path, out: Path) -> None:
    importer.run(FakeContext(out, make_payload(animals)))
    images = read_table(out).images
    assert len(images) == 6
    for image in images:
        data = (animals / image.filename[:3] / image.filename).read_bytes()
        assert (image.content_hash, image.size_bytes) == (blake2b(data, digest_size=8).hexdigest(), len(data))
        assert (out / "images" / image.filename).read_bytes() == data
        assert image.source is None


def test_the_same_source_has_the_same_content_hash_in_every_mode(animals: Path, tmp_path: Path) -> None:
    modes: tuple[ImportMode, ...] = ("copy", "link", "reference")
    hashes = set()
    for mode in modes:
        (tmp_path / mode).mkdir()
        importer.run(FakeContext(tmp_path / mode, make_payload(animals, mode=mode)))
        hashes.add(read_table(tmp_path / mode).content_hash)
    assert len(hashes) == 1


def test_link_shares_the_file(animals: Path, out: Path) -> None:
    importer.run(FakeContext(out, make_payload(animals, mode="link")))
    assert (out / "images" / "cat0.png").samefile(animals / "cat" / "cat0.png")
    assert read_table(out).import_mode == "link"


def test_link_falls_back_to_copy_and_says_so(animals: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    importer.run(FakeContext(out, make_payload(animals, mode="link")))
    table = read_table(out)
    assert (table.import_mode, table.num_problems, table.problems[0].severity) == ("copy", 1, "warning")
    assert len(files_below(out / "images")) == 6


def test_reference_leaves_the_files_where_they_are(animals: Path, out: Path) -> None:
    importer.run(FakeContext(out, make_payload(animals, mode="reference")))
    table = read_table(out)
    assert files_below(out / "images") == set()
    assert len(files_below(out / ".thumbs")) == 6
    assert (table.import_mode, table.source_path) == ("reference", str(animals.resolve()))
    assert [image.source for image in table.images[:1]] == [str((animals / "cat" / "cat0.png").resolve())]


def test_two_files_of_one_name_get_numbers(out: Path, tmp_path: Path) -> None:
    for name in ("cat", "dog", "elk"):
        write_image(tmp_path / "in" / name / "1.png")
    importer.run(FakeContext(out, make_payload(tmp_path / "in")))
    assert [image.filename for image in read_table(out).images] == ["1.png", "1_1.png", "1_2.png"]
    assert files_below(out / "images") == {"1.png", "1_1.png", "1_2.png"}
    assert [source_name_of(image) for image in read_table(out).images] == ["cat/1.png", "dog/1.png", "elk/1.png"]


def test_a_name_in_the_source_is_kept_only_where_it_says_more_than_the_file_name(out: Path, tmp_path: Path) -> None:
    for name in ("flat.png", "day1/a.png", "day2/a.png", "_x.png", ".y.png"):
        write_image(tmp_path / "in" / name)
    (tmp_path / "in" / "v.csv").write_text("filename,v\nflat.png,1\nday1/a.png,2\nday2/a.png,3\n_x.png,4\n.y.png,5\n")
    importer.run(FakeContext(out, make_payload(tmp_path / "in", kind="values")))
    kept = {image.filename: image.source_name for image in read_table(out).images}
    assert kept == {
        "flat.png": "",
        "a.png": "day1/a.png",
        "a_1.png": "day2/a.png",
        "_x.png": "",
        "_y.png": ".y.png",
    }
    assert b'"source_name":""' not in (out / "dataset.json").read_bytes()


def test_folders_of_subsets_become_the_split_original(out: Path, tmp_path: Path) -> None:
    for subset in ("train", "valid", "test"):
        for name in ("cat", "dog"):
            write_image(tmp_path / "in" / subset / name / f"{subset}.png")
    result = importer.run(FakeContext(out, make_payload(tmp_path / "in")))
    table = read_table(out)
    assert result["split_names"] == table.split_names == ["original"]
    assert [split.name for split in table.splits] == ["original"]
    assert sorted(image.split[0] for image in table.images) == ["test", "test", "train", "train", "val", "val"]


def test_broken_images_are_named_and_skipped(animals: Path, out: Path) -> None:
    write_truncated_jpeg(animals / "cat" / "broken.jpg")
    (animals / "dog" / "notes.png").write_text("not an image")
    importer.run(FakeContext(out, make_payload(animals)))
    table = read_table(out)
    assert len(table.images) == 6
    assert [problem.file for problem in table.problems] == ["cat/broken.jpg", "dog/notes.png"]
    assert all(problem.fix for problem in table.problems)
    assert "truncated" in table.problems[0].message
    assert files_below(out / "images") == {image.filename for image in table.images}


def test_a_class_without_a_readable_image_is_left_out(animals: Path, out: Path) -> None:
    (animals / "bear").mkdir()
    (animals / "bear" / "a.jpg").write_bytes(b"")
    importer.run(FakeContext(out, make_payload(animals)))
    table = read_table(out)
    assert table.classes == ["cat", "dog"]
    assert {label for image in table.images for label in image.annotations} == {Label(0, "cat"), Label(1, "dog")}
    assert any("'bear' has no readable image" in problem.message for problem in table.problems)


def test_a_class_with_one_image_is_warned_of(animals: Path, out: Path) -> None:
    write_image(animals / "elk" / "1.png")
    importer.run(FakeContext(out, make_payload(animals)))
    (problem,) = read_table(out).problems
    assert (problem.severity, problem.file) == ("warning", "elk")


def test_16_bit_and_cmyk_images_are_imported(out: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "in" / "a" / "deep.png", np.full((9, 9), 40000, dtype=np.uint16))
    inks = Image.fromarray(np.full((9, 9, 4), 90, dtype=np.uint8), mode="CMYK")
    (tmp_path / "in" / "b").mkdir()
    inks.save(tmp_path / "in" / "b" / "inks.jpg")
    importer.run(FakeContext(out, make_payload(tmp_path / "in")))
    for name, grey in (("deep.png", 156), ("inks.jpg", 107)):
        with Image.open(out / ".thumbs" / f"{name}.jpg") as thumb:
            assert abs(np.asarray(thumb).mean() - grey) < 4


def test_values_come_from_a_table(out: Path, tmp_path: Path) -> None:
    for i in range(3):
        write_image(tmp_path / "in" / "images" / f"{i}.png")
    (tmp_path / "in" / "t.csv").write_text("filename,value\n0.png,1.5\n1.png,-2\n2.png,nan\n")
    importer.run(FakeContext(out, make_payload(tmp_path / "in", kind="values", allowed=("csv",))))
    table = read_table(out)
    assert [image.annotations for image in table.images] == [[Value([1.5])], [Value([-2.0])]]
    assert (table.classes, table.value_names) == ([], ["value"])
    assert "t.csv, row 4" in {problem.file for problem in table.problems}


def zip_folder(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder.parent))
    return target


def test_a_zip_is_unpacked_and_nothing_of_it_is_left_over(animals: Path, out: Path, tmp_path: Path) -> None:
    source = zip_folder(animals, tmp_path / "animals.zip")
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("../evil.png", b"x")
    result = importer.run(FakeContext(out, make_payload(source)))
    table = read_table(out)
    assert (result["num_images"], result["num_problems"]) == (6, 1)
    assert (table.source_path, table.import_mode) == ("animals.zip", "copy")
    assert table.problems[0].file == "../evil.png"
    assert {path.name for path in out.iterdir()} == {"dataset.json", "images", ".thumbs", "problems.csv"}
    assert not list(tmp_path.rglob("evil.png"))


def test_a_zip_cannot_be_referred_to(animals: Path, out: Path, tmp_path: Path) -> None:
    source = zip_folder(animals, tmp_path / "animals.zip")
    with pytest.raises(JobFailure, match="inside a zip cannot be referenced"):
        importer.run(FakeContext(out, make_payload(source, mode="reference")))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.zip", b"PK\x03\x04 nonsense", "not a usable zip"),
        ("a.zip", b"", "not a usable zip"),
        ("a.pdf", b"x", "neither a folder"),
    ],
)
def test_a_file_that_is_no_source_is_refused(
    out: Path, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(JobFailure, match=message):
        importer.run(FakeContext(out, make_payload(tmp_path / name)))


def test_an_empty_folder_is_refused(out: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(JobFailure, match="The folder is empty"):
        importer.run(FakeContext(out, make_payload(tmp_path / "empty")))


def test_a_source_without_a_usable_image_names_the_first_problems(out: Path, tmp_path: Path) -> None:
    for i in range(5):
        write_truncated_jpeg(tmp_path / "in" / "cat" / f"{i}.jpg")
    with pytest.raises(JobFailure, match=r"No image could be imported\. cat/0\.jpg: .*truncated.*more problems"):
        importer.run(FakeContext(out, make_payload(tmp_path / "in")))
    assert not (out / "dataset.json").exists()


def test_progress_grows_and_ends_at_the_total(animals: Path, out: Path) -> None:
    context = FakeContext(out, make_payload(animals))
    importer.run(context)
    assert isinstance(context.events[0], StageStatus)
    assert [(event.done, event.total) for event in context.progress][-1] == (6, 6)
    # How many come in between is a matter of time; none says less than the one before.
    imported = [event.done for event in context.progress if event.message == "Importing images"]
    assert imported == sorted(imported)


def test_cancel_ends_the_import(animals: Path, out: Path) -> None:
    with pytest.raises(JobCancelled):
        importer.run(FakeContext(out, make_payload(animals), cancel_after=1))
    assert not (out / "dataset.json").exists()


def test_cancel_ends_the_unpacking(animals: Path, out: Path, tmp_path: Path) -> None:
    source = zip_folder(animals, tmp_path / "animals.zip")
    with pytest.raises(JobCancelled):
        importer.run(FakeContext(out, make_payload(source), cancel_after=1))
    assert not list((out / "images").iterdir())


def test_a_full_disk_is_a_failure_with_a_reason(animals: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(JobFailure, match="disk is full") as failure:
        importer.run(FakeContext(out, make_payload(animals)))
    assert failure.value.kind == "DiskFull"


def test_files_are_synced_before_the_table_names_them(
    animals: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    importer.run(FakeContext(out, make_payload(animals)))
    assert [synced[-3], synced[-1]] == ["images", "out"]
    assert synced[-2].startswith(".dataset.json.")
    assert sorted(synced[:-3]) == [f"{name}{i}.png" for name in ("cat", "dog") for i in range(3)]


def photos() -> Iterator[np.ndarray[Any, Any]]:
    from sklearn.datasets import load_sample_images

    yield from load_sample_images().images


def test_photos_are_imported_with_their_orientation(out: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for i, photo in enumerate(photos()):
        write_image(tmp_path / "in" / f"class{i}" / "photo.jpg", photo, exif=exif)
    importer.run(FakeContext(out, make_payload(tmp_path / "in")))
    images = read_table(out).images
    assert [(image.width, image.height) for image in images] == [(427, 640), (427, 640)]


def test_identical_images_are_in_the_result_and_in_the_split_that_came_with_them(tmp_path: Path, out: Path) -> None:
    """Random labels, and test images that are training images: a perfect score that means nothing."""
    root = tmp_path / "leaky"
    for number in range(6):
        for subset in ("train", "test"):
            label = "cat" if number % 2 or (subset == "test" and number == 0) else "dog"
            write_image(root / subset / label / f"{subset}{number}.png", gradient(20 + number, 30))
    result = importer.run(FakeContext(out, make_payload(root)))
    found = result["identical"]
    assert (found["groups"], found["images"], found["groups_with_other_labels"]) == (6, 12, 1)
    assert found["examples"][0]["labels"] == ["cat", "dog"]
    (split,) = read_table(out).splits
    assert split.leaks is not None
    counted = split.leaks["identical"]
    assert (counted["groups"], counted["images"], counted["test_in_train"]) == (6, 12, 6)
    assert counted["groups_with_other_labels"] == 1


def test_the_table_keeps_what_was_lost_by_kind(animals: Path, out: Path) -> None:
    write_truncated_jpeg(animals / "cat" / "broken.jpg")
    for name in ("a", "b"):
        write_image(animals / "dog" / "batch" / f"{name}.png")
    write_image(animals / "loose.png")
    result = importer.run(FakeContext(out, make_payload(animals)))
    table = read_table(out)
    assert (len(table.images), table.num_files, table.num_lost) == (6, 10, 4)
    assert (result["num_files"], result["num_lost"]) == (10, 4)
    assert {(group.kind, group.count, group.num_images) for group in table.groups} == {
        ("unreadable_image", 1, 1),
        ("nested_folder", 1, 2),
        ("beside_classes", 1, 1),
    }
    assert all(group.title and group.examples for group in table.groups)
    with (out / "problems.csv").open(encoding="utf-8", newline="") as file:
        named = {row["file"] for row in csv.DictReader(file)}
    assert named == {"cat/broken.jpg", "dog/batch/a.png", "dog/batch/b.png", "loose.png"}


def test_nested_folders_are_imported_into_their_class(animals: Path, out: Path) -> None:
    write_image(animals / "dog" / "batch" / "a.png")
    importer.run(FakeContext(out, make_payload(animals, nested_folders="into_class")))
    table = read_table(out)
    assert (len(table.images), table.num_files, table.num_lost) == (7, 7, 0)
    assert sum(image.annotations == [Label(1, "dog")] for image in table.images) == 4
