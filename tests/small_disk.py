"""A real file system of a few megabytes, to fill up or to make read-only. Needs root; skips elsewhere."""

from __future__ import annotations

import contextlib
import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_BLOCK = b"\0" * 4096


class SmallDisk:
    """One mounted tmpfs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._filler = root / "filler.bin"

    def fill(self) -> None:
        """Leave not a byte free."""
        with self._filler.open("ab", buffering=0) as stream:
            try:
                while True:
                    stream.write(_BLOCK)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def leave(self, num_bytes: int) -> None:
        """Leave so many bytes free."""
        self.fill()
        with self._filler.open("r+b") as stream:
            stream.truncate(self._filler.stat().st_size - num_bytes)

    def empty(self) -> None:
        """Give the space back."""
        self._filler.unlink()

    def make_read_only(self) -> None:
        """Mount it again without the right to write."""
        subprocess.run(["mount", "-o", "remount,ro", str(self.root)], check=True)

    def make_writable(self) -> None:
        """Mount it again with the right to write."""
        subprocess.run(["mount", "-o", "remount,rw", str(self.root)], check=True)


@contextmanager
def mount_small_disk(root: Path, size_mb: int = 8) -> Iterator[SmallDisk]:
    """Mount a file system of this size; skips the test where that is not allowed."""
    root.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(root)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a file system needs root")
    try:
        yield SmallDisk(root)
    finally:
        with contextlib.suppress(OSError):
            subprocess.run(["umount", "--lazy", str(root)], check=True)
