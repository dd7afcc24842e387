"""Finds temporary and abandoned files in a workspace; follows no links.

Removes nothing: `app/core/leftovers.py` decides what goes, and when.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.storage.documents import DocumentStore
from app.storage.paths import WorkspacePaths

LeftoverKind = Literal["half_written", "upload", "staging", "job_file", "download", "trash", "set_aside"]
# As a download is named until it is whole: `.resnet18-f37072fd.pth.` and what makes the name unique.
_PARTIAL_DOWNLOAD = re.compile(r"\.[\w.-]+-[0-9a-f]{8,64}\.pth\.[a-z0-9_]{8}", re.ASCII)
# The documents and the log of a job stay as long as its project; the rest is scratch once it has ended.
KEPT_JOB_FILES = frozenset({"job.json", "request.json", "job.log"})


@dataclass(frozen=True)
class Leftover:
    """A file or a folder with all that is in it."""

    kind: LeftoverKind
    path: Path
    changed: float
    owner: str = ""

    def count_bytes(self) -> int:
        """Return the size of its files, which is no more than an estimate while they change."""
        return sum(_size(path) for path in (self.path, *_walk(self.path)))


def find_leftovers(documents: DocumentStore, weights_dir: Path | None = None) -> Iterator[Leftover]:
    """Yield the leftovers of every kind, also those in use; `owner` is the id of the job or upload that they belong to.

    The store of pretrained weights may lie outside of the workspace; without `weights_dir` it is not looked at.
    """
    paths = documents.paths
    if weights_dir is not None:
        for path in _list(weights_dir):
            if _PARTIAL_DOWNLOAD.fullmatch(path.name):
                yield from _leftover("download", path)
    yield from _entries("trash", paths.trash_dir)
    yield from _entries("set_aside", paths.corrupt_dir)
    yield from _half_written(_list(paths.root))
    yield from _half_written(_list(paths.root / ".locks"))
    for project in documents.list_directories(paths.projects_dir, "proj"):
        yield from _half_written(_list(project))
        yield from _half_written(_list(project / "dataset"))
        yield from _half_written(_list(project / "dataset" / ".thumbs"))
        for folder in (project / "experiments", project / "exports"):
            yield from _half_written(_walk(folder))
        for experiment in documents.list_directories(project / "experiments", "exp"):
            yield from _headless(paths, experiment, "experiment.json", {"origin.ckpt"})
        for export in documents.list_directories(project / "exports", "export"):
            yield from _headless(paths, export, "export.json", set())
        yield from _left_of_jobs(documents, project)


def _left_of_jobs(documents: DocumentStore, project: Path) -> Iterator[Leftover]:
    for upload in documents.list_directories(project / "uploads", "upload"):
        yield from _leftover("upload", upload, upload.name)
    for staging in documents.list_directories(project / "staging", "job"):
        yield from _leftover("staging", staging, staging.name)
    for job in documents.list_directories(project / "jobs", "job"):
        for path in _list(job):
            if path.name not in KEPT_JOB_FILES:
                yield from _leftover("job_file", path, job.name)


def _entries(kind: LeftoverKind, folder: Path) -> Iterator[Leftover]:
    for path in _list(folder):
        yield from _leftover(kind, path)


def _headless(paths: WorkspacePaths, folder: Path, record: str, prepared: set[str]) -> Iterator[Leftover]:
    """Yield a folder whose record was never written, because the server was killed first.

    A folder whose record was moved to `.corrupt/` is kept, because somebody may repair it.
    """
    names = {path.name for path in _list(folder)}
    if record in names or not names <= prepared:
        return
    aside = "+".join((folder / record).relative_to(paths.root).parts)
    if not any(path.name.startswith(aside) for path in _list(paths.corrupt_dir)):
        yield from _leftover("half_written", folder)


def _half_written(files: Iterator[Path] | list[Path]) -> Iterator[Leftover]:
    """Yield what was written beside a file to take its place, as `.best.ckpt.1234.tmp` and `.run.json.0f3a.tmp`."""
    for path in files:
        if path.name.startswith(".") and path.name.endswith(".tmp"):
            yield from _leftover("half_written", path)


def _leftover(kind: LeftoverKind, path: Path, owner: str = "") -> Iterator[Leftover]:
    """Yield it with the time of the last change, that of a folder being the newest of what is in it."""
    changed = max((_changed(each) for each in (path, *_walk(path))), default=0.0)
    if changed:
        yield Leftover(kind, path, changed, owner)


def _walk(folder: Path) -> Iterator[Path]:
    try:
        if folder.is_symlink():
            return
    except OSError:  # the disk refuses to look; nothing below can be seen then
        return
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            yield Path(parent, name)


def _list(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _changed(path: Path) -> float:
    """Return when the file, its name or its number of links changed last; 0 when it is gone."""
    try:
        status = path.lstat()
    except OSError:
        return 0.0
    return max(status.st_mtime, status.st_ctime)


def _size(path: Path) -> int:
    try:
        status = path.lstat()
    except OSError:
        return 0
    return 0 if stat.S_ISDIR(status.st_mode) else status.st_size
