"""Random trees of folders: every image file is in the dataset or named with its reason, and the counts add up."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from app.annotations.registry import get_kind
from app.datasets.formats.layouts.walking import is_junk
from app.datasets.formats.report.check import check_source
from app.datasets.formats.report.problem_file import PROBLEMS_NAME
from app.datasets.formats.source import Source, scan_source
from app.datasets.formats.work import Work
from app.datasets.importing import importer
from app.schemas.datasets import ImportOptions
from app.schemas.import_report import ImportReport
from app.schemas.job_context import JobFailure
from tests.datasets.jobs import FakeContext, make_payload, read_table
from tests.datasets.pictures import write_image, write_truncated_jpeg

Tree: TypeAlias = "Mapping[str, Tree | str]"

FOLDERS = (
    *("cat", "dog", "Cat", "bird", "train", "valid", "Test", "images", "labels", "masks", "batch1", "2024-05-01"),
    *("b\udce4r", "b\udcf6r", "$RECYCLE.BIN", ".Trash", "@eaDir", "__MACOSX"),
)
FILES = {
    "1.png": "png",
    "2.JPG": "jpg",
    "scan": "png",
    "3.dat": "jpg",
    "notes.png": "text",
    "cut.jpg": "cut",
    "phone.heic": "heic",
    "README": "text",
    "1.txt": "text",
    "info.json": "text",
    ".hidden.png": "png",
    "._1.png": "text",
    "in.png": "link inside",
    "up.png": "link to the folder above",
    "out.png": "link outside",
    "gone": "link nowhere",
    "folder": "link to a folder",
}
files = st.dictionaries(st.sampled_from(sorted(FILES)), st.just(""), max_size=5).map(
    lambda names: {name: FILES[name] for name in names}
)
trees: st.SearchStrategy[Tree] = st.recursive(
    files,
    lambda inner: st.builds(
        lambda own, folders: {**own, **folders},
        files,
        st.dictionaries(st.sampled_from(FOLDERS), inner, min_size=1, max_size=4),
    ),
    max_leaves=12,
)
nested = st.sampled_from(["leave_out", "into_class", "own_class"])
SETTINGS = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@cache
def contents() -> Mapping[str, bytes]:
    """Return the bytes of each kind of file."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        return {
            "png": write_image(place / "a.png").read_bytes(),
            "jpg": write_image(place / "a.jpg").read_bytes(),
            "cut": write_truncated_jpeg(place / "cut.jpg").read_bytes(),
            "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
            "text": b"only words",
        }


def write_tree(tree: Tree, folder: Path, outside: Path) -> None:
    """Write a tree; links lead to what lies beside them or above, to the outside and to nothing."""
    folder.mkdir()
    for name, item in tree.items():
        if isinstance(item, str) and item in contents():
            (folder / name).write_bytes(contents()[item])
    for name, item in tree.items():
        if not isinstance(item, str):
            write_tree(item, folder / name, outside)
    for name, item in tree.items():
        if item == "link inside" and "1.png" in tree:
            (folder / name).symlink_to("1.png")
        elif item == "link to the folder above" and (folder.parent / "1.png").is_file():
            (folder / name).symlink_to("../1.png")
        elif item == "link outside":
            (folder / name).symlink_to(outside)
        elif item == "link nowhere":
            (folder / name).symlink_to("nothing there")
        elif item == "link to a folder" and "batch1" in tree:
            (folder / name).symlink_to("batch1", target_is_directory=True)


def list_images(folder: Path, name: str = "") -> Iterator[str]:
    """Yield the names of all image files by a second reading: links to the outside count, those inside do not."""
    for entry in sorted(os.scandir(folder), key=lambda found: found.name):
        if is_junk(entry.name):
            continue
        inner = f"{name}/{entry.name}" if name else entry.name
        if entry.is_symlink():
            if entry.name == "out.png":
                yield inner
        elif entry.is_dir():
            yield from list_images(folder / entry.name, inner)
        elif FILES[entry.name] != "text" or entry.name.endswith((".png", ".jpg")):
            yield inner


def printable(name: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)


@dataclass
class Looked:
    """A dry run: its report and the file column of problems.csv."""

    report: ImportReport
    named: set[str]


def look(root: Path, options: ImportOptions) -> Looked:
    path = root.parent / PROBLEMS_NAME
    path.unlink(missing_ok=True)
    work = Work(problems_path=path)
    with closing(work):
        report = check_source(Source(root, get_kind("label"), ("image_folders",), None, options, work), root.parent)
    if not path.exists():
        return Looked(report, set())
    with path.open(encoding="utf-8", newline="") as file:
        return Looked(report, {row["file"] for row in csv.DictReader(file)})


@given(tree=trees, nested_folders=nested)
@SETTINGS
def test_every_image_is_read_or_named_and_the_counts_add_up(tree: Tree, nested_folders: str) -> None:
    options = ImportOptions.model_validate({"nested_folders": nested_folders})
    with tempfile.TemporaryDirectory() as folder:
        root, outside = Path(folder) / "in", write_image(Path(folder) / "outside.png")
        write_tree(tree, root, outside)
        there = {printable(name) for name in list_images(root)}
        looked = look(root, options)
        report = looked.report
        assert report.num_files == report.num_images + report.num_lost
        assert sum(report.class_counts.values()) == report.num_images
        assert sum(group.num_images for group in report.groups) == report.num_lost
        assert sum(group.count for group in report.groups) == report.num_problems
        event("imported" if report.can_import else "refused")
        if not report.can_import and report.groups and report.groups[0].kind == "refused":
            assert report.num_files == len([name for name in there if "out.png" not in name]) + count_links(root)
            return
        found = scan_source(Source(root, get_kind("label"), ("image_folders",), None, options))
        prefix = (
            "" if found.root == root.resolve() else f"{printable(found.root.relative_to(root.resolve()).as_posix())}/"
        )
        images = found.scan.images
        read = {
            printable(name) for image in images for name in (image.name, image.path.relative_to(found.root).as_posix())
        }
        missing = there - {f"{prefix}{name}" for name in read | looked.named}
        assert missing == set()
        assert report.num_files >= len(there)


def count_links(root: Path) -> int:
    """Return the links to images inside, which a source that is refused counts as files."""
    return sum(
        path.is_symlink() and path.exists() and path.resolve().is_relative_to(root.resolve()) and not path.is_dir()
        for path in root.rglob("*.png")
        if not any(is_junk(part) for part in path.relative_to(root).parts)
    )


@given(tree=trees, nested_folders=nested)
@settings(SETTINGS, max_examples=25)
def test_the_import_finds_what_the_dry_run_says(tree: Tree, nested_folders: str) -> None:
    options = ImportOptions.model_validate({"nested_folders": nested_folders})
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "in", Path(folder) / "out"
        write_tree(tree, root, write_image(Path(folder) / "outside.png"))
        out.mkdir()
        report = look(root, options).report
        payload = make_payload(root, allowed=("image_folders",), nested_folders=nested_folders)
        try:
            importer.run(FakeContext(out, payload))
        except JobFailure:
            assert not report.can_import
            return
        table = read_table(out)
        assert (len(table.images), table.num_files, table.num_lost) == (
            report.num_images,
            report.num_files,
            report.num_lost,
        )
        assert table.classes == report.classes
        counted = {(group.kind, group.severity, group.count, group.num_images) for group in table.groups}
        assert counted == {(group.kind, group.severity, group.count, group.num_images) for group in report.groups}
        assert {item.file for item in table.problems} == {item.file for item in report.problems}
        shutil.rmtree(out)
