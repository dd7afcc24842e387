"""The walk through a source: what is an image file, what is a link, what is hidden, and where it ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.datasets.formats.base import SourceError
from app.datasets.formats.layouts.tree import begins_like_image, has_image_ending, read_tree
from app.datasets.formats.work import LimitError, Work
from app.schemas.payloads import ImportLimits
from tests.datasets.formats.sources import two_in, write_source
from tests.datasets.pictures import write_image


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.tar.png", "a.HEIC", "a.gif", "a.dcm", "a.CR2"])
def test_an_image_is_known_by_its_ending(name: str) -> None:
    assert has_image_ending(name)


@pytest.mark.parametrize("name", ["a.txt", "jpg", "a.jpg.txt", ".png", "a.json", "a"])
def test_other_endings_say_nothing(name: str) -> None:
    assert not has_image_ending(name)


@pytest.mark.parametrize("ending", ["jpg", "png", "bmp", "tif", "webp", "gif", "jp2"])
def test_an_image_is_known_by_its_first_bytes(tmp_path: Path, ending: str) -> None:
    assert begins_like_image(write_image(tmp_path / f"a.{ending}").rename(tmp_path / "a"))


@pytest.mark.parametrize(
    "content", [b"", b"BM", b"BMW, a maker of cars", b"RIFF1234WAVE", b"\0\0\0\x18ftypisom", b"II"]
)
def test_other_bytes_are_no_image(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert not begins_like_image(tmp_path / "a")


def test_the_tree_counts_what_lies_below(tmp_path: Path) -> None:
    root = write_source(tmp_path / "in", [*two_in("a", "a/b", "c"), "top.png"], {"a/notes.txt": "x"}).resolve()
    (root / "c" / "link.png").symlink_to("0.png")
    tree = read_tree(root, Work())
    assert [(folder.name, folder.num_images, folder.num_below) for folder in tree.top.iterate()] == [
        ("", 1, 8),
        ("a", 2, 4),
        ("a/b", 2, 2),
        ("c", 3, 3),
    ]
    assert tree.by_path[root / "a"].others == ["notes.txt"]
    assert list(tree.by_path[root / "c"].files()) == ["c/0.png", "c/1.png", "c/link.png"]


def test_a_tree_is_walked_once(tmp_path: Path) -> None:
    work = Work()
    assert read_tree(tmp_path.resolve(), work) is read_tree(tmp_path.resolve(), work)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_without_the_right_to_read_is_kept_by_its_name(tmp_path: Path) -> None:
    root = write_source(tmp_path / "in", two_in("a", "b")).resolve()
    (root / "a").chmod(0)
    try:
        tree = read_tree(root, Work())
    finally:
        (root / "a").chmod(0o755)
    assert list(tree.unreadable) == ["a"]


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        read_tree(tmp_path / "gone", Work())


@pytest.mark.parametrize("most", [3, 1])
def test_more_files_than_an_import_may_have_end_the_walk(tmp_path: Path, most: int) -> None:
    root = write_source(tmp_path / "in", two_in("a", "b")).resolve()
    with pytest.raises(LimitError, match=f"more than {most} entries"):
        read_tree(root, Work(ImportLimits(max_entries=most)))


def test_very_deep_folders_end_somewhere(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for _ in range(220):
        folder = folder / "d"
    folder.mkdir(parents=True)
    tree = read_tree((tmp_path / "in").resolve(), Work())
    assert list(tree.unreadable.values()) == ["it lies too deep"]
