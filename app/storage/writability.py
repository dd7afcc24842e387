"""Checks whether a workspace can be written, and explains why it cannot."""

from __future__ import annotations

import errno
import os
from pathlib import Path

# What a disk answers that takes no writes; a full one is another matter.
READ_ONLY_ERRORS = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def explain_read_only(root: Path) -> str:
    """Return why nothing in a workspace can be changed, empty when it can be; raises OSError on a disk that fails."""
    if not root.is_dir() or os.access(root, os.W_OK):
        return ""
    what = f"The workspace {root} is read-only: you can view everything, but change nothing."
    return f"{what} Make it writable to continue; no restart is needed."


def explain_problem(root: Path) -> str:
    """Return what is wrong with the disk of a workspace: it is read-only, or it fails; empty when nothing is."""
    try:
        return explain_read_only(root)
    except OSError as error:
        return f"The disk of the workspace {root} is not available at the moment: {error.strerror}."
