"""Maps errors of the operating system to API errors: one table by errno, one for paths outside of the workspace.

Any other errno means that the disk or the system fails now: 503, with its message. An OSError without errno comes from
our own code, and stays an internal error.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from app.schemas.envelope import ErrorBody

Answer = tuple[str, str]

_FULL: Answer = ("INSUFFICIENT_STORAGE", "The disk is full. Nothing was changed. Free up disk space and try again.")
_REFUSED: Answer = (
    "STORAGE_UNAVAILABLE",
    "The server has no permission to write to the workspace, so nothing can be changed. "
    "Give it this permission and try again.",
)
_IN_THE_WAY: Answer = (
    "CONFLICT",
    "A file or folder of the same name is in the way. Rename or remove it and try again.",
)
_TOO_MANY: Answer = ("STORAGE_UNAVAILABLE", "Too many files are open at the moment. Try again in a few seconds.")
_GONE: Answer = ("STORAGE_UNAVAILABLE", "The disk of the workspace is no longer available. Mount it and try again.")
_BUSY: Answer = ("CONFLICT", "Another program is using this file. Close it and try again.")

_IN_WORKSPACE: Mapping[int, Answer] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: (
        "INSUFFICIENT_STORAGE",
        "The disk quota is used up. Nothing was changed. Free up disk space and try again.",
    ),
    errno.EFBIG: (
        "INSUFFICIENT_STORAGE",
        "The file would be larger than this disk or account allows. Raise the limit and try again.",
    ),
    errno.EROFS: (
        "STORAGE_UNAVAILABLE",
        "The disk is read-only, so nothing can be changed. Make it writable and try again.",
    ),
    errno.EACCES: _REFUSED,
    errno.EPERM: _REFUSED,
    errno.EIO: ("STORAGE_UNAVAILABLE", "The disk reports an error. Check the disk, then try again."),
    errno.ENOENT: ("NOT_FOUND", "This no longer exists; it may have been deleted."),
    errno.EEXIST: _IN_THE_WAY,
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EISDIR: _IN_THE_WAY,
    errno.ENOTEMPTY: _IN_THE_WAY,
    errno.EBUSY: _BUSY,
    errno.ETXTBSY: _BUSY,
    errno.ENAMETOOLONG: ("VALIDATION_ERROR", "A name in this request is too long."),
    errno.ELOOP: ("STORAGE_UNAVAILABLE", "A link in the workspace leads in a circle. Remove it and try again."),
    errno.EMFILE: _TOO_MANY,
    errno.ENFILE: _TOO_MANY,
    errno.ENOMEM: ("STORAGE_UNAVAILABLE", "The computer has no memory left for this. Try again in a few seconds."),
    errno.ESTALE: _GONE,
    errno.ENODEV: _GONE,
    errno.ENXIO: _GONE,
}
# A path that the user named: what is wrong with it is theirs to change.
_OUTSIDE: Mapping[int, str] = {
    errno.ENOENT: "no longer exists",
    errno.EACCES: "cannot be read: the server has no permission",
    errno.EPERM: "cannot be read: the server has no permission",
    errno.ENOTDIR: "leads through a file as if it were a folder",
    errno.EISDIR: "is a folder",
    errno.ELOOP: "is a link that leads in a circle",
    errno.ENAMETOOLONG: "has a name that is too long",
    errno.EINVAL: "cannot be read as a file",
    errno.ENXIO: "is a device or a pipe",
    errno.ENODEV: "is a device or a pipe",
}


def describe_os_error(error: OSError, workspace: Path | None = None) -> ErrorBody | None:
    """Return the answer to an error of the system, None for one without a number."""
    number = error.errno
    if number is None:
        return None
    if workspace is not None and _is_outside(error, workspace) and number in _OUTSIDE:
        message = f"{os.fsdecode(error.filename)[:200]} {_OUTSIDE[number]}."
        return ErrorBody(code="VALIDATION_ERROR", message=message)
    unknown = ("STORAGE_UNAVAILABLE", f"The system refused this just now ({os.strerror(number)}). Try again.")
    code, message = _IN_WORKSPACE.get(number, unknown)
    return ErrorBody(code=code, message=message)


def _is_outside(error: OSError, workspace: Path) -> bool:
    """A failed read or write of an open file names no path; what is written lies in the workspace."""
    if not isinstance(error.filename, (str, bytes)):
        return False
    return not Path(os.path.normpath(workspace / os.fsdecode(error.filename))).is_relative_to(workspace)
