"""Opens ordinary files only, and without ever waiting for a pipe or a device. Both sides use it: standard library only.

A name that somebody else chose can be a pipe that nobody writes to, a device without an end, or a file of /proc. The
same may stand in the place of a document of the workspace.
"""

from __future__ import annotations

import errno
import os
import stat
from functools import cache
from pathlib import Path
from typing import BinaryIO

# File systems whose files are the state of the machine. Some of these files have no end, reading others changes things.
_PSEUDO_TYPES = frozenset(
    {"proc", "sysfs", "devtmpfs", "devpts", "debugfs", "tracefs", "securityfs", "cgroup", "cgroup2", "pstore", "bpf"}
    | {"configfs", "fusectl", "mqueue", "hugetlbfs", "binfmt_misc", "autofs", "efivarfs", "selinuxfs", "rpc_pipefs"}
)
_MOUNTS = Path("/proc/self/mountinfo")  # Linux only
# Absent on Windows, where pipes are no files.
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))


class NotRegularError(OSError):
    """The path is a folder, pipe, socket, device, or a file of the system itself."""

    def __init__(self, path: Path, kind: str = "a file of the system") -> None:
        super().__init__(errno.EINVAL, "It is no ordinary file", str(path))
        self.kind = kind


def open_regular(path: Path) -> BinaryIO:
    """Open an ordinary file for reading; raises NotRegularError for anything else, and OSError."""
    check_regular(path, path.stat())  # opening some devices does something already, so this comes first
    descriptor = os.open(path, _FLAGS)
    try:
        check_regular(path, os.fstat(descriptor))  # it may have been replaced in between
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def check_regular(path: Path, found: os.stat_result) -> None:
    """Raise NotRegularError, naming its kind, for what `found` says is no ordinary file."""
    if stat.S_ISDIR(found.st_mode):
        raise NotRegularError(path, "a folder")
    if not stat.S_ISREG(found.st_mode):
        raise NotRegularError(path, "a pipe, a socket or a device")
    if not _is_ordinary(found):
        raise NotRegularError(path)


def is_regular_file(path: Path) -> bool:
    """Say whether a resolved path is an ordinary file; a name too long for the file system is none."""
    try:
        return _is_ordinary(path.stat())
    except (OSError, ValueError):
        return False


def is_system_folder(path: Path) -> bool:
    """Say whether a folder belongs to /proc, /sys or another file system that shows the state of the machine."""
    try:
        return path.stat().st_dev in _pseudo_devices()
    except (OSError, ValueError):
        return False


def _is_ordinary(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_dev not in _pseudo_devices()


@cache
def _pseudo_devices() -> frozenset[int]:
    """Return the device numbers of the mounted pseudo file systems; asks none of them, for one may hang."""
    try:
        lines = _MOUNTS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return frozenset()
    devices = set()
    for line in lines:
        mount, _, file_system = line.partition(" - ")
        if file_system.partition(" ")[0] in _PSEUDO_TYPES:
            major, _, minor = mount.split(" ")[2].partition(":")
            devices.add(os.makedev(int(major), int(minor)))
    return frozenset(devices)
