"""Files that hold images in a form that is not read are named with what to do, alone and beside good images."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.datasets.formats.registry import describe_unknown, list_usable
from app.datasets.formats.report.unread_kinds import name_by_ending
from app.datasets.formats.work import Work
from tests.datasets.formats.sources import look_at, two_in, write_source

KINDS = {
    "a.npy": ("a NumPy array", "Save it as PNG or TIFF."),
    "a.NPZ": ("an archive of NumPy arrays", "Save each image in it"),
    "a.fits": ("a FITS image", "Save it as TIFF"),
    "a.nii": ("a NIfTI volume", "Save each of its slices"),
    "a.nii.gz": ("a NIfTI volume", "Save each of its slices"),
    "a.czi": ("an image of a microscope program", "Export it as TIFF."),
    "a.svs": ("a whole-slide image", "Cut it into tiles"),
    "a.mat": ("a MATLAB file", "Save each image in it"),
    "a.mp4": ("a video", "Save its frames"),
    "a.h5": ("an HDF5 file", "Save each image in it"),
    "a.tfrecord": ("a TFRecord file", "Save each image in it"),
}
DICOM = b"\0" * 128 + b"DICM" + b"\2\0" * 40


@pytest.mark.parametrize("name", KINDS)
def test_a_folder_of_them_alone_is_refused_as_what_it_is(tmp_path: Path, name: str) -> None:
    what, fix = KINDS[name]
    names = [f"{number}{name}" for number in range(3)]
    for own in names:
        (tmp_path / own).write_bytes(b"\1\0\2")
    refusal = describe_unknown(tmp_path, list_usable(["csv", "image_folders"]), Work())
    expected = f"There is no image file in the folder, only 3 other files: {', '.join(names)}. Each is {what}."
    assert (refusal.message, refusal.fix[: len(fix)]) == (expected, fix)


@pytest.mark.parametrize("name", KINDS)
def test_beside_good_images_a_note_says_what_they_are(tmp_path: Path, name: str) -> None:
    what, fix = KINDS[name]
    root = write_source(tmp_path / "in", two_in("cat", "dog"), {f"cat/{name}": "x", f"dog/1{name}": "x", "README": "y"})
    report = look_at(root)
    assert (report.num_problems, report.num_files) == (0, 4)
    first, second = report.notes
    assert first.startswith(f"2 other files are not read, because each is {what}: cat/{name}, dog/1{name}. {fix}")
    assert second == "1 other file is not used: README."


def test_files_without_an_ending_are_named_by_their_content(tmp_path: Path) -> None:
    for name in ("IM0001", "IM0002"):
        (tmp_path / name).write_bytes(DICOM)
    (tmp_path / "README").write_text("slices")
    refusal = describe_unknown(tmp_path, list_usable(["csv", "image_folders"]), Work())
    assert refusal.message.endswith("README. IM0001 is a DICOM image.")
    assert refusal.fix.startswith("Save it as TIFF or PNG with 16 bits")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (DICOM, "a DICOM image"),
        (b"\x93NUMPY\1\0", "a NumPy array"),
        (b"8BPS\0\1", "a Photoshop document"),
        (b"%PDF-1.7", "a PDF document"),
    ],
)
def test_another_ending_hides_nothing(tmp_path: Path, content: bytes, what: str) -> None:
    root = write_source(tmp_path / "in", two_in("cat", "dog"))
    (root / "cat" / "0001.ima").write_bytes(content)
    assert look_at(root).notes[0].startswith(f"1 other file is not read, because it is {what}: cat/0001.ima.")


@pytest.mark.parametrize(
    "content",
    [b"", b"P1 is the first", b"bplist00", b"version https://git-lfs.github.com/spec/v1", b"PK\3\4", b"\x1f\x8b"],
)
def test_the_content_of_other_files_is_no_image(tmp_path: Path, content: bytes) -> None:
    root = write_source(tmp_path / "in", two_in("cat", "dog"))
    (root / "cat" / "notes.dat").write_bytes(content)
    assert look_at(root).notes == ["1 other file is not used: cat/notes.dat."]


@pytest.mark.parametrize("name", ["README", "a.txt", "labels.csv", "data.yaml", "a.zip", "a.gz", "model.onnx", "npy"])
def test_files_that_hold_no_images_are_none_of_them(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    assert name_by_ending(name) is None
    refusal = describe_unknown(tmp_path, list_usable(["csv", "image_folders"]), Work())
    assert refusal.message == f"There is no image file in the folder, only 1 other file: {name}."


@pytest.mark.parametrize(
    ("num", "expected"),
    [
        (1, "There is only 1 image file, and it cannot be read: 0.dcm. It is a DICOM image."),
        (3, "None of the 3 image files can be read: 0.dcm, 1.dcm, 2.dcm. Each is a DICOM image."),
        (
            120,
            "None of the 120 image files can be read: 0.dcm, 1.dcm, 10.dcm, 100.dcm, 101.dcm and 115 more."
            " Each is a DICOM image.",
        ),
    ],
)
def test_files_with_endings_of_images_are_named_too(tmp_path: Path, num: int, expected: str) -> None:
    for number in range(num):
        (tmp_path / f"{number}.dcm").write_bytes(DICOM)
    refusal = describe_unknown(tmp_path, list_usable(["csv", "image_folders"]), Work())
    assert refusal.message == expected
    assert refusal.fix.startswith("Save it as TIFF or PNG with 16 bits")


def test_good_images_among_them_are_not_hidden(tmp_path: Path) -> None:
    root = write_source(tmp_path / "in", ["0.png"], {})
    (root / "1.dcm").write_bytes(DICOM)
    assert "No usable format" in describe_unknown(root, list_usable(["csv", "image_folders"]), Work()).message
