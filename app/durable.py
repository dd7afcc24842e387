"""Writes files that are complete or missing, also after a power cut. Both sides use it: standard library only.

New content is written to a temporary file in the same directory, synced, and renamed in one step; then the directory
is synced. Readers take no lock and never see half a file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from pathlib import Path

FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable, where the system can do it (Windows cannot open directories)."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, below: Path | None = None) -> None:
    """Create a directory with its parents; every new name is durable when this returns.

    `below` is a parent that must exist already: FileNotFoundError is raised when it was deleted, and it stays deleted.
    """
    missing: list[Path] = []
    current = path
    while current != below and not current.exists():
        missing.append(current)
        current = current.parent
    if below is not None and not below.is_dir():
        raise FileNotFoundError(errno.ENOENT, "It was deleted meanwhile", str(below))
    for directory in reversed(missing):
        directory.mkdir(exist_ok=True)
        sync_directory(directory.parent)


def write_bytes_durably(path: Path, data: bytes) -> None:
    """Replace the file by these bytes: afterwards either the old or the new content is there, whatever happens."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a finished file of the same directory its name, synced to the disk first."""
    with temporary.open("rb+") as stream:
        os.fsync(stream.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def link_or_copy(source: Path, path: Path) -> None:
    """Give a file a second name that stays when the first one is replaced; a copy where links do not exist."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        try:
            temporary.hardlink_to(source)
        except (OSError, NotImplementedError):
            shutil.copy2(source, temporary)
        temporary.replace(path)
    finally:
        # Renaming a link onto another link of the same file does nothing and leaves the first name behind.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    sync_directory(path.parent)
