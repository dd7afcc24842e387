"""Random documents over random files: every image is read or named, by tables, COCO and subsets with documents."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from app.datasets import importer
from app.schemas.job_context import JobFailure
from tests.datasets.formats.sources import look_at
from tests.datasets.jobs import FakeContext, make_payload, read_table
from tests.datasets.pictures import write_image, write_truncated_jpeg

SETTINGS = settings(max_examples=40, deadline=None, derandomize=True)
PLACES = ("", "images/", "data/", "deep/er/", ".hidden/")


@dataclass(frozen=True)
class File:
    """An image file of a source, and whether a document names it."""

    name: str
    is_named: bool
    is_whole: bool


@st.composite
def sources(draw: st.DrawFn) -> list[File]:
    """Draw image files with different last names, in a few folders."""
    found = []
    for number in range(draw(st.integers(0, 8))):
        is_whole = draw(st.booleans()) or draw(st.booleans())
        place = draw(st.sampled_from(PLACES))
        found.append(File(f"{place}{number}.jpg", draw(st.booleans()), is_whole))
    return found


@cache
def contents() -> tuple[bytes, bytes]:
    """Return the bytes of a sound image and of one that ends in its middle."""
    with tempfile.TemporaryDirectory() as folder:
        whole, cut = write_image(Path(folder) / "a.jpg"), write_truncated_jpeg(Path(folder) / "b.jpg")
        return whole.read_bytes(), cut.read_bytes()


def write_files(root: Path, files: Sequence[File]) -> None:
    root.mkdir(exist_ok=True)
    for file in files:
        (root / file.name).parent.mkdir(parents=True, exist_ok=True)
        (root / file.name).write_bytes(contents()[0 if file.is_whole else 1])


def write_document(root: Path, names: Sequence[str], form: str) -> None:
    """Write a document that names images, each with the class a or b."""
    labels = ["ab"[index % 2] for index in range(len(names))]
    if form == "csv":
        rows = [f"{name},{label}\n" for name, label in zip(names, labels, strict=True)]
        (root / "labels.csv").write_text("filename,label\n" + "".join(rows))
        return
    document = {
        "images": [{"id": index, "file_name": name} for index, name in enumerate(names)],
        "annotations": [{"id": i, "image_id": i, "category_id": "ab".index(label)} for i, label in enumerate(labels)],
        "categories": [{"id": 0, "name": "a"}, {"id": 1, "name": "b"}],
    }
    (root / "labels.json").write_text(json.dumps(document))


def named_in(files: Sequence[File], num_missing: int) -> list[str]:
    return [file.name for file in files if file.is_named] + [f"gone{number}.jpg" for number in range(num_missing)]


@given(files=sources(), num_missing=st.integers(0, 3), form=st.sampled_from(["csv", "coco"]))
@SETTINGS
def test_what_a_document_names_and_what_it_does_not_add_up(files: list[File], num_missing: int, form: str) -> None:
    seen = [file for file in files if not file.name.startswith(".")]
    hidden_named = [file for file in files if file.name.startswith(".") and file.is_named]
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "in", Path(folder) / "out"
        out.mkdir()
        write_files(root, files)
        write_document(root, named_in(files, num_missing), form)
        report = look_at(root, allowed=("csv", "coco"))
        if report.can_import:
            sound = [file for file in (*seen, *hidden_named) if file.is_named and file.is_whole]
            assert report.num_images == len(sound)
            assert report.num_files == len(seen) + len(hidden_named)
            assert report.num_lost == report.num_files - report.num_images + num_missing
        try:
            importer.run(FakeContext(out, make_payload(root, allowed=("csv", "coco"))))
        except JobFailure:
            assert not report.can_import
            return
        table = read_table(out)
        found = (len(table.images), table.num_files, table.num_lost)
        assert found == (report.num_images, report.num_files, report.num_lost)


@given(train=sources(), test=sources(), form=st.sampled_from(["csv", "coco"]))
@SETTINGS
def test_subsets_with_documents_add_up(train: list[File], test: list[File], form: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "in"
        root.mkdir()
        everything = []
        for name, files in (("train", train), ("test", test)):
            kept = [file for file in files if not file.name.startswith(".")]
            write_files(root / name, kept)
            write_document(root / name, named_in(kept, 0), form)
            everything += kept
        report = look_at(root, allowed=("csv", "coco"))
        if report.can_import:
            assert report.num_images == sum(file.is_named and file.is_whole for file in everything)
            assert (report.num_files, report.num_lost) == (len(everything), len(everything) - report.num_images)
        else:
            assert report.num_lost == len(everything)
