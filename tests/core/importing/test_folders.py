"""The folders of the machine: what is listed and counted, and what stays out of reach."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from app.config import Settings
from app.core.exceptions import ConflictError, ValidationFailedError
from app.core.importing import folders
from app.core.importing.folders import FolderService, find_roots
from app.datasets.formats.layouts.tree import read_tree
from app.datasets.formats.work import Work

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="symbolic links and permissions of POSIX")


def add_images(folder: Path, number: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(number):
        (folder / f"{index}.{'JPG' if index % 2 else 'png'}").touch()
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An allowed root beside a folder that is none."""
    add_images(tmp_path / "outside" / "secret", 2)
    return add_images(tmp_path / "pictures", 1)


@pytest.fixture
def service(root: Path) -> FolderService:
    return FolderService(Settings(workspace_root=root / "workspace", browse_roots=str(root)))


def refusal_of(service: FolderService, path: Path | str) -> str:
    with pytest.raises(ValidationFailedError) as raised:
        service.list_folder(str(path))
    details = raised.value.details
    assert isinstance(details, list)
    assert [item.field for item in details] == ["path"]
    return details[0].message


def test_folders_are_listed_with_their_images(service: FolderService, root: Path) -> None:
    add_images(root / "Übung 100 %", 3)
    add_images(root / "cats" / "tabby", 5)
    (root / "labels.csv").touch()
    (root / "all.ZIP").touch()
    (root / "notes.txt").touch()
    found = service.list_folder(None)
    assert (found.path, found.name, found.parent, found.num_images) == (str(root), "pictures", None, 1)
    assert [(item.name, item.num_images) for item in found.folders] == [("cats", 0), ("Übung 100 %", 3)]
    assert [item.name for item in found.files] == ["all.ZIP", "labels.csv", "notes.txt"]
    assert found.is_complete
    inner = service.list_folder(found.folders[0].path)
    assert (inner.parent, [item.num_images for item in inner.folders]) == (str(root), [5])
    assert [place.path for place in inner.crumbs] == [str(root), str(root / "cats")]


@pytest.mark.parametrize("wrapping", ['"{}"', "file://{}", "{}/", " {} ", "{}/0.png"])
def test_pasted_paths_are_read(service: FolderService, root: Path, wrapping: str) -> None:
    add_images(root / "cats", 1)
    assert service.list_folder(wrapping.format(root / "cats")).path == str(root / "cats")


def test_nothing_outside_of_the_roots_is_listed(service: FolderService, root: Path) -> None:
    outside = root.parent / "outside"
    for path in (outside, root / ".." / "outside", "/", "/etc", "/proc/self", root.parent):
        assert "is outside of the folders" in refusal_of(service, path)
    assert "'nothing' does not" in refusal_of(service, root / "nothing" / "x")
    assert "is a relative path" in refusal_of(service, "cats")
    assert "null character" in refusal_of(service, f"{root}\x00")


@posix_only
def test_links_that_lead_out_are_neither_shown_nor_followed(service: FolderService, root: Path) -> None:
    add_images(root / "cats", 2)
    (root / "inside").symlink_to(root / "cats")
    (root / "out").symlink_to(root.parent / "outside")
    (root / "loop").symlink_to(root / "loop")
    (root / "up").symlink_to("../outside/secret")
    found = service.list_folder(str(root))
    assert [item.name for item in found.folders] == ["cats", "inside"]
    assert "is outside" in refusal_of(service, root / "out")
    assert "is outside" in refusal_of(service, root / "up")
    assert service.list_folder(str(root / "inside")).path == str(root / "cats")


def test_hidden_and_system_folders_are_left_out(service: FolderService, root: Path) -> None:
    names = (".ssh", "$RECYCLE.BIN", "System Volume Information", "__MACOSX", "lost+found", "@eaDir")
    for name in names:
        add_images(root / name / "x", 1)
    assert service.list_folder(None).folders == []
    for name in names:
        assert "is hidden or belongs to the system" in refusal_of(service, root / name / "x")


def test_images_are_counted_as_a_preview_counts_them(service: FolderService, root: Path) -> None:
    names = ("1.JPG", "2.jpeg", "3.avif", "4.dng", "5.pgm", "6.tga", "7.heic", "._8.jpg", ".9.png", "10.txt", "11")
    (root / "mixed").mkdir()
    for name in names:
        (root / "mixed" / name).touch()
    found = service.list_folder(str(root / "mixed"))
    tree = read_tree((root / "mixed").resolve(), Work())
    assert found.num_images == len(tree.top.images) == 7
    assert [item.num_images for item in service.list_folder(str(root)).folders] == [7]


def test_a_folder_named_like_a_bin_of_old_systems_is_hidden_in_capitals_only(
    service: FolderService, root: Path
) -> None:
    for name in ("RECYCLER", "$Windows.~BT", "recycled"):
        add_images(root / name, 1)
    assert [item.name for item in service.list_folder(None).folders] == ["recycled"]


def test_files_that_an_import_reads_are_listed_but_not_the_text_of_each_image(
    service: FolderService, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = add_images(root / "labelled", 3)
    names = ("0.txt", "1.TXT", "z.json", "a.txt", "labels.xlsx", "b.jsonl", "c.tsv", "d.zip", "e.md", "f.ndjson")
    for name in names:
        (folder / name).touch()
    listed = ["b.jsonl", "c.tsv", "d.zip", "f.ndjson", "labels.xlsx", "z.json", "a.txt"]
    assert [item.name for item in service.list_folder(str(folder)).files] == listed
    assert service.list_folder(str(folder)).is_complete
    monkeypatch.setattr(folders, "MAX_FILES", 6)
    found = service.list_folder(str(folder))
    assert ([item.name for item in found.files], found.is_complete) == (listed[:6], False)


def test_the_workspace_is_not_offered_and_what_holds_it_says_so(service: FolderService, root: Path) -> None:
    (root / "workspace" / "projects").mkdir(parents=True)
    add_images(root / "cats", 1)
    found = service.list_folder(None)
    assert [item.name for item in found.folders] == ["cats"]
    assert "holds the workspace" in found.refusal
    assert service.list_folder(str(root / "cats")).refusal == ""
    assert "inside the workspace" in refusal_of(service, root / "workspace" / "projects")


def test_large_folders_are_bounded(service: FolderService, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        add_images(root / f"c{number:02}", 5)
    monkeypatch.setattr(folders, "MAX_FOLDERS", 10)
    monkeypatch.setattr(folders, "MAX_COUNTED", 3)
    found = service.list_folder(None)
    assert [item.name for item in found.folders] == [f"c{number:02}" for number in range(10)]
    assert {(item.num_images, item.is_count_complete) for item in found.folders} == {(3, False)}
    assert not found.is_complete
    monkeypatch.setattr(folders, "COUNT_S", -1.0)
    assert {item.num_images for item in service.list_folder(None).folders} == {None}
    monkeypatch.setattr(folders, "MAX_ENTRIES", 5)
    assert len(service.list_folder(None).folders) <= 5
    monkeypatch.setattr(folders, "LIST_S", -1.0)
    assert (service.list_folder(None).folders, service.list_folder(None).is_complete) == ([], False)


@posix_only
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may list everything")
def test_a_closed_folder_says_so(service: FolderService, root: Path) -> None:
    add_images(root / "closed", 1).chmod(0)
    assert service.list_folder(None).folders[0].num_images is None
    assert "cannot be listed" in refusal_of(service, root / "closed")
    (root / "closed").chmod(0o700)


def test_disks_that_hang_leave_threads_for_pages(service: FolderService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "WAIT_S", 0.01)
    for _ in range(folders.MAX_LISTINGS):
        assert service._places.acquire(timeout=0)
    with pytest.raises(ConflictError, match="Try again in a moment"):
        service.list_folder(None)
    service._places.release()
    assert service.list_folder(None).name == "pictures"


def test_roots_are_those_of_the_setting_or_home_and_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (add_images(tmp_path / name, 0) for name in ("a", "b"))
    wanted = os.pathsep.join([str(second), str(first), str(tmp_path / "gone"), str(second)])
    assert find_roots(Settings(browse_roots=wanted)) == [second, first]
    with pytest.raises(ConflictError, match="AI_STUDIO_BROWSE_ROOTS"):
        find_roots(Settings(browse_roots=str(tmp_path / "gone")))
    monkeypatch.setattr(folders, "_home", lambda: first)
    monkeypatch.chdir(second)
    assert find_roots(Settings())[:2] == [first, second]
    monkeypatch.chdir("/")
    assert Path("/") not in find_roots(Settings())
