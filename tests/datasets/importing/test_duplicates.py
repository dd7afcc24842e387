"""Identical images in a source: named by what it means, by the dry run and by the import alike."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from app.annotations.label import Label
from app.annotations.registry import get_kind
from app.annotations.values import Value
from app.datasets.formats.base import FoundImage
from app.datasets.formats.report.check import check_source
from app.datasets.formats.source import Source
from app.datasets.formats.work import Work
from app.datasets.importing import importer
from app.datasets.importing.duplicates import hash_copies, warn_of_copies
from app.datasets.table import Annotation
from app.schemas.datasets import SplitValue
from tests.datasets.jobs import FakeContext, make_payload, read_table
from tests.datasets.pictures import gradient, write_image

CAT, DOG = Label(0, "cat"), Label(1, "dog")
Row = tuple[str, str, Annotation | None, SplitValue | None]


def look(*rows: Row) -> list[tuple[str, str]]:
    """Return kind and message of each problem; a row is a name, a content, an annotation and a subset."""
    images = [FoundImage(Path(name), name, (said,) if said else (), split) for name, _, said, split in rows]
    problems = Work().new_problems()
    warn_of_copies(images, [content for _, content, _, _ in rows], problems)
    assert all(problem.severity == "warning" for problem in problems.named)
    assert problems.num_lost == 0
    return [(problem.kind, problem.message) for problem in problems.named]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("a", "1", CAT, None), ("b", "2", CAT, None), ("c", "", CAT, None), ("d", "", CAT, None)], []),
        (
            [("a", "1", CAT, None), ("b", "1", CAT, None)],
            [("identical_images", "2 images are identical: a, b.")],
        ),
        (
            [(f"{n}.png", "1", CAT, None) for n in range(6)],
            [("identical_images", "6 images are identical: 0.png, 1.png, 2.png, 3.png and 2 more.")],
        ),
        (
            [("cat/a", "1", CAT, None), ("dog/a", "1", DOG, None)],
            [("identical_other_label", "Identical images have different labels: cat/a (cat), dog/a (dog).")],
        ),
        (
            [("a", "1", Value([1.5, 2.0]), None), ("b", "1", Value([1.5, 3.0]), None)],
            [("identical_other_label", "Identical images have different labels: a (1.5, 2), b (1.5, 3).")],
        ),
        (
            [("train/a", "1", CAT, "train"), ("val/a", "1", CAT, "val")],
            [("identical_across_subsets", "Identical images are in several subsets: train/a (train), val/a (val).")],
        ),
        (
            [("t/a", "1", CAT, "train"), ("v/a", "1", DOG, "test")],
            [
                ("identical_other_label", "Identical images have different labels: t/a (cat), v/a (dog)."),
                ("identical_across_subsets", "Identical images are in several subsets: t/a (train), v/a (test)."),
            ],
        ),
        (
            [("a", "1", CAT, "train"), ("b", "1", None, "none")],
            [("identical_images", "2 images are identical: a, b.")],
        ),
        ([("same", "1", CAT, None), ("same", "1", DOG, None)], []),
    ],
)
def test_each_group_says_what_it_means(rows: list[Row], expected: list[tuple[str, str]]) -> None:
    assert look(*rows) == expected


def test_the_one_that_differs_is_among_those_that_are_named() -> None:
    rows: list[Row] = [(f"cat/{n}", "1", CAT, None) for n in range(9)]
    ((_, message),) = look(*rows, ("dog/x", "1", DOG, None))
    assert message.startswith("Identical images have different labels: cat/0 (cat), dog/x (dog), cat/1 (cat)")
    assert message.endswith("and 6 more.")


def test_files_of_the_same_size_and_end_are_told_apart(tmp_path: Path) -> None:
    contents = [b"a" * 9000, b"b" + b"a" * 8999, b"a" * 9000, b"c" * 9000, b"short"]
    images = []
    for number, content in enumerate(contents):
        path = tmp_path / str(number)
        path.write_bytes(content)
        images.append(FoundImage(path, str(number), ()))
    images.append(FoundImage(tmp_path / "gone", "gone", ()))
    hashes, is_compared = hash_copies(images, Work(), 60.0)
    assert is_compared
    assert set(hashes) == {images[index].path for index in (0, 1, 2)}
    assert hashes[images[0].path] == hashes[images[2].path] != hashes[images[1].path]
    assert hash_copies(images, Work(), -1.0) == ({}, False)


def test_the_dry_run_and_the_import_name_the_same_copies(tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    for index, name in enumerate(("train/cat/1", "train/cat/2", "train/dog/1", "val/cat/1", "val/dog/1")):
        write_image(root / f"{name}.png", gradient(20 + index, 30))
    shutil.copy(root / "train/cat/1.png", root / "train/cat/copy.png")
    shutil.copy(root / "train/cat/2.png", root / "val/cat/2.png")
    shutil.copy(root / "train/dog/1.png", root / "train/cat/3.png")
    report = check_source(Source(root, get_kind("label"), ["image_folders"]))
    kinds = {"identical_images", "identical_other_label", "identical_across_subsets"}
    groups = {group.kind: group.examples[0].message for group in report.groups if group.kind in kinds}
    assert set(groups) == kinds
    assert groups["identical_other_label"] == (
        "Identical images have different labels: train/cat/3.png (cat), train/dog/1.png (dog)."
    )
    assert (report.num_images, report.num_lost) == (8, 0)
    out.mkdir()
    importer.run(FakeContext(out, make_payload(root)))
    messages = {problem.message for problem in read_table(out).problems}
    assert set(groups.values()) <= messages


@pytest.mark.parametrize(
    ("link", "target", "kind"),
    [
        ("train/dog/link.png", "train/cat/1.png", "identical_other_label"),
        ("val/cat/link.png", "train/cat/1.png", "identical_across_subsets"),
        ("train/cat/link.png", "train/cat/1.png", "identical_images"),
    ],
)
def test_a_link_to_an_image_is_a_copy_of_it(tmp_path: Path, link: str, target: str, kind: str) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    for name in ("train/cat/1", "train/dog/1", "val/cat/1", "val/dog/1"):
        write_image(root / f"{name}.png")
    (root / link).symlink_to(root / target)
    report = check_source(Source(root, get_kind("label"), ["image_folders"]))
    found = [problem for problem in report.problems if problem.kind.startswith("identical")]
    assert [problem.kind for problem in found] == [kind]
    assert link in found[0].message
    assert target in found[0].message
    out.mkdir()
    importer.run(FakeContext(out, make_payload(root)))
    assert found[0].message in {problem.message for problem in read_table(out).problems}
