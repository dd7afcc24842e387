"""Stores uploaded files until they are imported."""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from app.datasets.formats.source import is_zip
from app.durable import make_directory
from app.storage.deletion import free_space, take_away
from app.storage.paths import UnsafePathError, WorkspacePaths, check_name, contained

MAX_DEPTH = 8


class UploadStore:
    """Stores files under `uploads/<id>/files/`, with the folders that their names carry."""

    def __init__(self, paths: WorkspacePaths) -> None:
        self._paths = paths

    def store_file(self, project_id: str, upload_id: str, name: str, stream: BinaryIO, *, begins: bool = True) -> Path:
        """Store one file. Only the first creates the upload's folder, so that an abandoned one does not return.

        Raises FileNotFoundError when the upload or its project was removed meanwhile, UnsafePathError for a name that
        leads elsewhere or is taken by another content. The same content under the same name is taken as sent before: a
        batch whose answer was lost is sent again.
        """
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if not parts or len(parts) > MAX_DEPTH:
            msg = f"{name[:80]!r} is not the name of a file."
            raise UnsafePathError(msg)
        upload_dir = self._paths.upload_dir(project_id, upload_id)
        directory = upload_dir / "files"
        make_directory(directory, below=self._paths.project_dir(project_id) if begins else upload_dir)
        for part in parts[:-1]:
            directory = contained(directory, part)
            try:
                directory.mkdir(exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise _file_and_folder(name) from None
        target = contained(directory, check_name(parts[-1]))
        try:
            with target.open("xb") as copy:
                shutil.copyfileobj(stream, copy, 1 << 20)
                copy.flush()
                os.fsync(copy.fileno())
        except (IsADirectoryError, NotADirectoryError):
            raise _file_and_folder(name) from None
        except FileExistsError:
            if target.is_dir():
                raise _file_and_folder(name) from None
            if _is_same_content(target, stream):
                return target
            msg = f"{name[:80]!r} was uploaded before with another content."
            raise UnsafePathError(msg) from None
        except OSError:
            target.unlink(missing_ok=True)
            raise
        return target

    def count_files(self, project_id: str, upload_id: str) -> int:
        """Return the number of files under an upload."""
        directory = self._paths.upload_dir(project_id, upload_id) / "files"
        return sum(1 for path in directory.rglob("*") if path.is_file())

    def find_source(self, project_id: str, upload_id: str) -> Path:
        """Return what is to be imported: the zip when it is the only file, else the folder; FileNotFoundError."""
        directory = self._paths.upload_dir(project_id, upload_id) / "files"
        entries = list(directory.iterdir())
        if len(entries) == 1 and is_zip(entries[0]):
            return entries[0]
        return directory

    def remove(self, project_id: str, upload_id: str) -> None:
        """Remove an upload in one step; raises OSError, after which it is as it was."""
        directory = self._paths.upload_dir(project_id, upload_id)
        if directory.is_dir():
            free_space(take_away(directory, self._paths.trash_dir, "upload.json"))


def _file_and_folder(name: str) -> UnsafePathError:
    return UnsafePathError(f"{name[:80]!r} is both a file and a folder in this upload.")


def _is_same_content(path: Path, stream: BinaryIO) -> bool:
    stream.seek(0)
    with path.open("rb") as stored:
        while block := stored.read(1 << 20):
            if stream.read(len(block)) != block:
                return False
    return not stream.read(1)
