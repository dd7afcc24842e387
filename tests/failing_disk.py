"""A disk that fails for some paths, switched on and off while a real server runs. Needs Linux and a C compiler."""

from __future__ import annotations

import errno
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

READ, WRITE, REMOVE = 1, 2, 4
# A full disk still reads, moves and removes; one that became read-only still reads.
KINDS = {
    errno.EIO: READ | WRITE | REMOVE,
    errno.ESTALE: READ | WRITE | REMOVE,
    errno.EROFS: WRITE | REMOVE,
    errno.ENOSPC: WRITE,
    errno.EDQUOT: WRITE,
}
_SOURCE = Path(__file__).with_suffix(".c")
_CONTROL = struct.Struct("=ii248s")


class FailingDisk:
    """The switch; `environment` is for the process that is to meet the errors."""

    def __init__(self, library: Path, control: Path) -> None:
        self._control = control
        self.environment = {**os.environ, "LD_PRELOAD": str(library), "FAILING_DISK_CONTROL": str(control)}

    @contextmanager
    def failing(self, number: int, marker: str) -> Iterator[None]:
        """Refuse inside what a disk with this errno refuses, for every path that contains the marker."""
        # The errno comes last and goes first: a thread of the server that has just read it reads the marker next.
        self._write(4, _CONTROL.pack(0, KINDS[number], marker.encode())[4:])
        self._write(0, struct.pack("=i", number))
        try:
            yield
        finally:
            self.mend()

    def mend(self) -> None:
        """Refuse nothing any more."""
        self._write(0, struct.pack("=i", 0))

    def _write(self, offset: int, data: bytes) -> None:
        """Write in place, because the file is mapped."""
        with self._control.open("r+b", buffering=0) as stream:
            stream.seek(offset)
            stream.write(data)


def make_failing_disk(folder: Path) -> FailingDisk:
    """Compile the library; skips the test where that is not possible."""
    compiler = shutil.which("cc")
    if not sys.platform.startswith("linux") or compiler is None:
        pytest.skip("a failing disk needs Linux and a C compiler")
    library, control = folder / "failing_disk.so", folder / "control"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-w", "-o", str(library), str(_SOURCE), "-ldl"], check=True)
    control.write_bytes(bytes(_CONTROL.size))
    return FailingDisk(library, control)
