"""Files received by upload lie under their names, and a name is a file or a folder."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from app.storage.paths import UnsafePathError, WorkspacePaths
from app.storage.uploads import UploadStore

PROJECT, UPLOAD = "proj-00000001", "upload-00000001"


@pytest.fixture
def uploads(tmp_path: Path) -> UploadStore:
    paths = WorkspacePaths(tmp_path)
    paths.project_dir(PROJECT).mkdir(parents=True)
    return UploadStore(paths)


@pytest.mark.parametrize(
    ("first", "second"), [("a", "a/b.png"), ("a/b.png", "a"), ("a/b.png", "a/b.png/c.png"), ("a/b/c.png", "a/b")]
)
def test_a_name_that_is_a_file_and_a_folder_is_refused(uploads: UploadStore, first: str, second: str) -> None:
    uploads.store_file(PROJECT, UPLOAD, first, io.BytesIO(b"one"))
    with pytest.raises(UnsafePathError, match="both a file and a folder"):
        uploads.store_file(PROJECT, UPLOAD, second, io.BytesIO(b"two"))
    assert uploads.count_files(PROJECT, UPLOAD) == 1


def test_an_upload_does_not_bring_a_deleted_project_back(uploads: UploadStore, tmp_path: Path) -> None:
    (tmp_path / "projects" / PROJECT).rmdir()
    with pytest.raises(FileNotFoundError):
        uploads.store_file(PROJECT, UPLOAD, "a.png", io.BytesIO(b"one"))
    assert not (tmp_path / "projects" / PROJECT).exists()


def test_an_upload_that_was_removed_is_not_brought_back_by_its_next_file(uploads: UploadStore, tmp_path: Path) -> None:
    uploads.store_file(PROJECT, UPLOAD, "a.png", io.BytesIO(b"one"))
    uploads.store_file(PROJECT, UPLOAD, "b.png", io.BytesIO(b"two"), begins=False)
    uploads.remove(PROJECT, UPLOAD)
    with pytest.raises(FileNotFoundError):
        uploads.store_file(PROJECT, UPLOAD, "c.png", io.BytesIO(b"three"), begins=False)
    assert not list((tmp_path / "projects" / PROJECT).rglob("*.png"))
